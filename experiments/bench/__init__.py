"""Measurements of this machine, side by side in one run: medians and spreads, never claims.

The benches without options are listed here: `bench_NAME` of the file NAME measures. The command
lines of the others are in `experiments/benching`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from experiments.bench.timing import Rows

__all__ = ["BENCHES", "run_bench"]

BENCHES: Mapping[str, str] = {
    "cost": "Times counting a network by its spec, by three other counters, and building it.",
    "catalog": "Compares every entry's params, MACs, logits with torchvision's, timm's, fvcore's.",
    "tables": "Times the vectorised cost model, coding, and draws from narrow windows of MACs.",
    "fit": "Times bringing networks to other MACs by their width, then their depth.",
    "memory": "Compares estimates of memory with what torch really keeps.",
    "data": "Times decoding, the cache and streaming of images.",
    "step": "Times training steps of our networks and timm's, in turns.",
    "augment": "Times a batch with its augmentation beside the training step that follows.",
    "profile": "Profiles EfficientNet-B0's training step, eager and compiled, by operator.",
    "loop": "Times 1,000 trials of a search whose evaluations cost nothing.",
    "startup": "Times `nas --help` and `nas cost`, each in a process of its own.",
}


def run_bench(name: str) -> Rows:
    """Runs a bench of the table."""
    module = importlib.import_module(f"experiments.bench.{name}")
    bench: Callable[[], Rows] = getattr(module, f"bench_{name}")
    return bench()
