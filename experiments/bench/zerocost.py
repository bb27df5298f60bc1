"""Zero-cost scores held against the accuracies of measured networks."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.bench.timing import Rows
from experiments.data import ImageData, load_data
from experiments.device import Device, pick_device
from experiments.files import append_line, read_lines
from experiments.measured_tables import MeasuredTable, read_table
from experiments.progress import Reporter
from experiments.ranks import agreement
from experiments.score_images import score_batch
from nas.zero_cost import SCORES, Batch, check_scores
from nas.zero_cost.scoring import fresh_network
from search_spaces.codec import fingerprint
from search_spaces.spec import ArchSpec

__all__ = ["ZeroCostOptions", "bench_zerocost"]

IMAGES = 2_000  # of the data, that batches are drawn from
RESOLUTIONS = {"accel_nasbench": 64, "nas_bench_macro": 32}  # native are 224 and 32


@dataclass(frozen=True, slots=True)
class ZeroCostOptions:
    """Says which table's networks are scored, and with which images.

    `measured` is the table's file or its folder; a `resolution` of None is the space's own, but 64
    for accel_nasbench, since its 224 take twelve times as long. `keep` is a file of JSON lines.
    """

    table: str
    measured: Path
    data: str
    networks: int = 200
    seeds: int = 1
    batch: int = 32
    resolution: int | None = None
    scores: tuple[str, ...] = tuple(SCORES)
    keep: Path | None = None
    device: str = "auto"
    seed: int = 0

    @property
    def side(self) -> int:
        """The side of the images that the networks are scored with."""
        return self.resolution or RESOLUTIONS[self.table]


class _Kept:
    """Keeps scores and their seconds by network and seed, on disk where there is a file."""

    def __init__(self, path: Path | None, key: str) -> None:
        self.path, self.key = path, key
        self.known: dict[tuple[str, int, str], tuple[float, float]] = {}
        for line in read_lines(path) if path else ():
            if line.get("key") == key:
                self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        for name, (value, seconds) in line["scores"].items():
            self.known[line["network"], line["seed"], name] = (value, seconds)

    def add(self, network: str, seed: int, scores: dict[str, tuple[float, float]]) -> None:
        """Writes a network's scores down; they are on disk when this returns."""
        line = {"key": self.key, "network": network, "seed": seed, "scores": scores}
        if self.path:
            append_line(self.path, line)
        self._take(line)


def _timed(
    spec: ArchSpec, names: list[str], batch: Batch, classes: int, seed: int, device: Device
) -> dict[str, tuple[float, float]]:
    """Returns each score of a network with the seconds that it took, the building left out."""
    network = fresh_network(spec, num_classes=classes, seed=seed).to(device.torch)
    found = {}
    for name in names:
        start = time.perf_counter()
        value = SCORES[name](network, batch)
        device.synchronize()
        seconds = round(time.perf_counter() - start, 4)
        found[name] = (-math.inf if math.isnan(value) else value, seconds)
    return found


def _score(
    options: ZeroCostOptions,
    specs: list[ArchSpec],
    data: ImageData,
    kept: _Kept,
    reporter: Reporter,
) -> None:
    """Scores what is not kept yet."""
    device = pick_device(options.device)
    reporter.plan(len(specs) * options.seeds)
    for seed in range(options.seed, options.seed + options.seeds):
        batch = score_batch(data, options.batch, resolution=options.side, device=device, seed=seed)
        for number, spec in enumerate(specs, 1):
            name = fingerprint(spec)
            missing = [s for s in options.scores if (name, seed, s) not in kept.known]
            if missing:
                classes = data.num_classes
                kept.add(name, seed, _timed(spec, missing, batch, classes, seed, device))
            text = f"seed {seed}: network {number}/{len(specs)}"
            reporter.finish(1, text, now=bool(missing))


def _rounded(value: float | None) -> float | str:
    return "–" if value is None else round(value, 3)


def _row(options: ZeroCostOptions, score: str, table: MeasuredTable, kept: _Kept) -> dict[str, Any]:
    names = [fingerprint(spec) for spec in table.space.decode_many(table.encoded)]
    seeds = range(options.seed, options.seed + options.seeds)
    values = [np.array([kept.known[name, seed, score][0] for name in names]) for seed in seeds]
    seconds = [kept.known[name, seed, score][1] for name in names for seed in seeds]
    found = agreement([(series, table.accuracy) for series in values])
    return {
        "score": score,
        "pixels": options.side,
        "τ": _rounded(found.tau),
        "95% from": _rounded(found.low),
        "to": _rounded(found.high),
        "networks": found.n,
        "seeds": options.seeds,
        "median s": round(statistics.median(seconds), 3),
    }


def bench_zerocost(options: ZeroCostOptions, reporter: Reporter) -> Rows:
    """Scores random networks of a measured table; returns each score's τ with their accuracy."""
    check_scores(options.scores)
    table = read_table(options.table, options.measured).sample(options.networks, seed=options.seed)
    data = load_data(options.data, limit=IMAGES)
    kept = _Kept(options.keep, f"{data.fingerprint}:{options.side}:{options.batch}")
    specs = table.space.decode_many(table.encoded)
    reporter.step(
        f"{options.table}: {len(specs)} networks, {options.batch} images of {data.name} "
        f"at {options.side} pixels"
    )
    _score(options, specs, data, kept, reporter)
    return [_row(options, score, table, kept) for score in options.scores]
