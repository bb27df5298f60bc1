"""Runs benches and prints what they found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from experiments.bench.timing import Rows

__all__ = ["show", "show_rows"]


def show(names: Iterable[str], json: bool) -> None:
    """Runs benches without options, one after another, and prints their rows."""
    from experiments.bench import run_bench

    _print({name: run_bench(name) for name in names}, json)


def show_rows(bench: str, rows: Rows, json: bool) -> None:
    """Prints the rows of one bench."""
    _print({bench: rows}, json)


def _print(document: dict[str, Rows], json: bool) -> None:
    from experiments.render import print_bench, print_json

    print_json(document) if json else print_bench(document)
