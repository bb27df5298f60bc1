"""Measurements of this machine, side by side in one run: medians and spreads, never claims."""

from __future__ import annotations

from collections.abc import Callable

from experiments.bench.augment import bench_augment
from experiments.bench.catalog import bench_catalog
from experiments.bench.cost import bench_cost
from experiments.bench.data import bench_data
from experiments.bench.fit import bench_fit
from experiments.bench.memory import bench_memory
from experiments.bench.profile import bench_profile
from experiments.bench.recipes import CONTESTS
from experiments.bench.startup import bench_startup
from experiments.bench.step import bench_step
from experiments.bench.table_benches import TABLE_BENCHES
from experiments.bench.tables import bench_tables
from experiments.bench.timing import Rows
from search_spaces.errors import InputError

__all__ = ["BENCHES", "bench_document"]

BENCHES: dict[str, Callable[[], Rows]] = {
    "cost": bench_cost,
    "catalog": bench_catalog,
    "tables": bench_tables,
    "fit": bench_fit,
    "memory": bench_memory,
    "data": bench_data,
    "step": bench_step,
    "augment": bench_augment,
    "profile": bench_profile,
    "startup": bench_startup,
}


def bench_document(what: str) -> dict[str, Rows]:
    """Runs one bench by name, or all; raises `InputError` for a name that is not known."""
    if what != "all" and what not in BENCHES:
        raise InputError(
            f"no bench is called {what!r}; they are all, "
            f"{', '.join([*BENCHES, *TABLE_BENCHES, *CONTESTS])}"
        )
    return {name: bench() for name, bench in BENCHES.items() if what in ("all", name)}
