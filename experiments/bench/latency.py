"""Benches of the per-block latency table: fill one, and hold its predictions to whole networks."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kendalltau

from experiments.amounts import parse_seconds
from experiments.bench.table_options import TableOptions
from experiments.bench.timing import Rows
from experiments.device import Device, pick_device
from experiments.latency import default_batch, device_facts, measure
from experiments.latency_table import LatencyTable, MadeFor, open_table, read_table, typical
from experiments.progress import Reporter
from experiments.table_build import CALIBRATING, TableBuilder, random_specs, stopwatch
from search_spaces.space import SearchSpace
from search_spaces.spaces import make_space
from search_spaces.spec import ArchSpec

__all__ = ["bench_blocks", "bench_latency"]

TEST_NETWORKS = 50
TEST_ROUNDS = 3
TEST_SECONDS = 0.4
SIDE, CLASSES, VISITS = 224, 1000, 5


def _space(made_for: MadeFor) -> SearchSpace:
    side, classes = made_for.resolution, made_for.num_classes
    return make_space(made_for.space, image_size=side, num_classes=classes, resolution=side)


def _made_for(options: TableOptions, device: Device) -> MadeFor:
    return MadeFor(
        space=options.space or "mixed",
        resolution=options.resolution or SIDE,
        num_classes=options.classes or CLASSES,
        work="training" if options.training else "inference",
        batch=options.batch or (default_batch(device) if options.training else 1),
        **device_facts(device),
    )


def bench_blocks(options: TableOptions, reporter: Reporter | None = None) -> Rows:
    """Times every block of a space on a device and stores the table; goes on where it stopped."""
    path = _path(options)
    seconds = None if options.time is None else parse_seconds(options.time, what="--time")
    device = pick_device(options.device or "auto")
    made_for = _made_for(options, device)
    space = _space(made_for)
    table = open_table(path, made_for)
    start = time.monotonic()
    builder = TableBuilder(
        table,
        path,
        space,
        stopwatch(made_for, device),
        options.visits or VISITS,
        seconds,
        reporter or Reporter(),
    )
    finished = builder.run()
    return [
        {
            "what": f"{made_for.space} at {made_for.resolution}px, {made_for.work}",
            "pieces": len(builder.chains.keys),
            "not yet measured": builder.chains.unmet(),
            "times each, at least": builder.chains.fewest(),
            "scale": round(table.scale, 4),
            "offset ms": round(table.offset * 1e3, 4),
            "seconds": round(time.monotonic() - start, 1),
            "finished": "yes" if finished else "no: run it again",
        }
    ]


def bench_latency(options: TableOptions, reporter: Reporter | None = None) -> Rows:
    """Compares a table's predictions with 50 measured networks that it was not fitted to.

    `measured twice` is the median difference of two measurements of one network: no table can be
    expected to come nearer than that.
    """
    path = _path(options)
    table = read_table(path)
    device = pick_device(options.device or table.made_for.device)
    now = MadeFor.model_validate(table.made_for.model_dump() | device_facts(device))
    asked = now if options.space is None else now.model_copy(update={"space": options.space})
    open_table(path, asked)
    space = _space(table.made_for)
    specs = random_specs(space, TEST_NETWORKS, seed=0, without=set(table.networks))
    predicted = [table.blocks().predict(spec) for spec in specs]
    measured = _measured(specs, table, device, reporter or Reporter())
    return [_accuracy_row(table.made_for, np.array(predicted), measured)]


def _path(options: TableOptions) -> Path:
    assert options.table is not None, "refuse_table_options sees to it"
    return options.table


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
