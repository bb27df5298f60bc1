"""What networks of a run cost: counted, read off a table, or measured on its device."""

from __future__ import annotations

from pathlib import Path

from experiments.config import SearchConfig
from experiments.device import Device
from experiments.latency import Work, measure
from experiments.latency_table import LatencyTable, read_table
from nas.costs import MEASURED, Costing, Meter
from search_spaces.additive import latency_sums
from search_spaces.errors import InputError
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchSpec

__all__ = ["costing_of"]

SECONDS = 0.5  # of a measurement, besides its warm-up
WORKS: dict[str, Work] = {"latency": "inference", "step_time": "training"}


def costing_of(asked: SearchConfig, space: SearchSpace, *, device: Device, batch: int) -> Costing:
    """Returns what tells the costs that a search asks for; measures nothing yet.

    `latency` is the median time of one image, `step_time` that of a training step of a `batch`,
    whose memory `train_memory` is. A table tells the one it was made for instead.
    Raises `InputError` for a table of something else.
    """
    meters = {
        name: _meter(device, WORKS[name], 1 if name == "latency" else batch)
        for name in MEASURED
        if name in (asked.cost, asked.front_cost, *asked.limits)
    }
    if asked.table is None:
        return Costing(space, batch, meters, {}, asked.limits)
    name, table = _table(Path(asked.table))
    if name not in meters:
        raise InputError(f"--table {asked.table} tells {name}, and nothing that is asked needs it")
    blocks = table.blocks()
    sums = latency_sums(space, blocks)
    return Costing(space, batch, {**meters, name: blocks.predict}, {name: sums}, asked.limits)


def _meter(device: Device, work: Work, batch: int) -> Meter:
    def median(spec: ArchSpec) -> float:
        return measure(spec, device=device, batch=batch, work=work, seconds=SECONDS).median

    return median


def _table(path: Path) -> tuple[str, LatencyTable]:
    table = read_table(path)
    names = {work: name for name, work in WORKS.items()}
    return names[table.made_for.work], table
