"""How long the command takes to start and answer."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from experiments.bench.timing import Rows, time_repeats, timing_row

__all__ = ["bench_startup"]


def bench_startup() -> Rows:
    """Times `nas --help` and `nas cost efficientnet_b0 --json`, each in a process of its own."""
    return [
        timing_row(f"nas {' '.join(words)}", time_repeats(partial(_nas, *words), 10))
        for words in (("--help",), ("cost", "efficientnet_b0", "--json"))
    ]


def _nas(*words: str) -> None:
    command = [sys.executable, "-c", "from cli import main; main()", *words]
    subprocess.run(command, check=True, capture_output=True)
