"""The options of a training on several ranks. Imports nothing heavy: `nas --help` needs them."""

from __future__ import annotations

from typing import Annotated

import typer

RankCount = Annotated[
    int,
    typer.Option("--ranks", help="processes that train one network together, with a GPU each"),
]
RankRay = Annotated[
    str | None,
    typer.Option("--ray", metavar="ADDRESS", help="with --ranks: a cluster, auto or HOST:PORT"),
]
