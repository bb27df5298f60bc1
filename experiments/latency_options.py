"""The options of timing a network; None means that it was not given."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Batch = Annotated[
    int | None,
    typer.Option("--batch", min=1, help="images at once [memory: 1; timing: cpu 16, cuda 128]"),
]
Latency = Annotated[
    bool, typer.Option("--latency", help="time it instead: latency, throughput, training step")
]
Device = Annotated[
    str | None, typer.Option("--device", help="timing: auto, cpu, cuda or cuda:N [auto]")
]
Against = Annotated[
    str | None, typer.Option("--against", metavar="ARCH", help="compare its latency with ARCH's")
]
PredictFrom = Annotated[
    Path | None, typer.Option("--table", help="predict it, from a table of `nas bench blocks`")
]
Time = Annotated[str | None, typer.Option("--time", help="time each for so long [2s]")]
NoStep = Annotated[
    bool | None, typer.Option("--no-step", help="leave out the training step", show_default=False)
]
