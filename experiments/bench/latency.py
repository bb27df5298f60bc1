"""Benches of the per-block latency table: fill one, and hold its predictions to whole networks."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from scipy.stats import kendalltau

from experiments.amounts import parse_seconds
from experiments.bench.timing import Rows
from experiments.device import Device, pick_device
from experiments.latency import default_batch, device_facts, measure
from experiments.latency_table import LatencyTable, MadeFor, open_table, read_table, typical
from experiments.progress import Reporter
from experiments.table_build import CALIBRATING, TableBuilder, random_specs, stopwatch
from search_spaces.space import SearchSpace
from search_spaces.spaces import make_space
from search_spaces.spec import ArchSpec

__all__ = ["bench_blocks", "bench_latency", "made_for"]

TEST_NETWORKS = 50
TEST_ROUNDS = 3
TEST_SECONDS = 0.4


def _space(made_for: MadeFor) -> SearchSpace:
    side, classes = made_for.resolution, made_for.num_classes
    return make_space(made_for.space, image_size=side, num_classes=classes, resolution=side)


def made_for(
    device: Device, *, space: str, resolution: int, classes: int, batch: int | None, training: bool
) -> MadeFor:
    """Returns what a table is made for; `batch` None: the device's own for training, else 1."""
    return MadeFor(
        space=space,
        resolution=resolution,
        num_classes=classes,
        work="training" if training else "inference",
        batch=batch or (default_batch(device) if training else 1),
        **device_facts(device),
    )


def bench_blocks(
    path: Path,
    made: MadeFor,
    device: Device,
    *,
    visits: int,
    time: str | None = None,
    reporter: Reporter,
) -> Rows:
    """Times every block of a space on a device and stores the table; goes on where it stopped."""
    seconds = None if time is None else parse_seconds(time, what="--time")
    space = _space(made)
    table = open_table(path, made)
    start = monotonic()
    builder = TableBuilder(table, path, space, stopwatch(made, device), visits, seconds, reporter)
    finished = builder.run()
    return [
        {
            "what": f"{made.space} at {made.resolution}px, {made.work}",
            "pieces": len(builder.chains.keys),
            "not yet measured": builder.chains.unmet(),
            "times each, at least": builder.chains.fewest(),
            "scale": round(table.scale, 4),
            "offset ms": round(table.offset * 1e3, 4),
            "seconds": round(monotonic() - start, 1),
            "finished": "yes" if finished else "no: run it again",
        }
    ]


def bench_latency(
    path: Path, *, space: str | None = None, device: str | None = None, reporter: Reporter
) -> Rows:
    """Compares a table's predictions with 50 measured networks that it was not fitted to.

    `measured twice` is the median difference of two measurements of one network: no table can be
    expected to come nearer than that.
    """
    table = read_table(path)
    chosen = pick_device(device or table.made_for.device)
    now = MadeFor.model_validate(table.made_for.model_dump() | device_facts(chosen))
    asked = now if space is None else now.model_copy(update={"space": space})
    open_table(path, asked)
    specs = random_specs(_space(table.made_for), TEST_NETWORKS, seed=0, without=set(table.networks))
    predicted = [table.blocks().predict(spec) for spec in specs]
    measured = _measured(specs, table, chosen, reporter)
    return [_accuracy_row(table.made_for, np.array(predicted), measured)]


def _measured(
    specs: list[ArchSpec], table: LatencyTable, device: Device, reporter: Reporter
) -> np.ndarray:
    """Returns the networks' seconds, (rounds, networks); a round goes through all of them."""
    reporter.plan(TEST_ROUNDS * len(specs))
    batch, work = table.made_for.batch, table.made_for.work
    seconds = np.zeros((TEST_ROUNDS, len(specs)))
    for row in seconds:
        for index, spec in enumerate(specs):
            timing = measure(spec, device=device, batch=batch, work=work, seconds=TEST_SECONDS)
            row[index] = timing.median
            reporter.done(1)
    return seconds


def _accuracy_row(made_for: MadeFor, predicted: np.ndarray, rounds: np.ndarray) -> dict[str, Any]:
    measured = np.array([typical(list(samples)) for samples in rounds.T])
    errors = np.abs(predicted / measured - 1) * 100
    return {
        "what": f"{made_for.space} at {made_for.resolution}px, {made_for.work}",
        "networks": len(measured),
        "fitted to others": CALIBRATING,
        "median error %": round(float(np.median(errors)), 2),
        "90th percentile %": round(float(np.quantile(errors, 0.9)), 2),
        "largest %": round(float(errors.max()), 2),
        "measured twice %": round(float(np.median(np.abs(rounds[0] / rounds[1] - 1))) * 100, 2),
        "bias %": round(float(np.median(predicted / measured) - 1) * 100, 2),
        "Kendall τ": round(float(kendalltau(predicted, measured).statistic), 3),
        "fastest ms": round(float(measured.min()) * 1e3, 3),
        "slowest ms": round(float(measured.max()) * 1e3, 3),
    }
