"""Recipes held against one another: trainings of equal time, each with several seeds."""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.bench.timing import Rows
from experiments.data import ImageData, load_data
from experiments.device import Device, pick_device
from experiments.feeds import open_feed
from experiments.progress import Reporter
from experiments.recipes import Recipe, load_recipe
from experiments.tensors import Normalize
from experiments.train import accuracy, train
from scaling.fit import fit_macs
from search_spaces.catalog import catalog_spec
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec

__all__ = ["Contest", "Entry", "epochs_within", "held_out", "run_contest", "summary"]

VALIDATION = 2_000  # images: a contest validates once, at the end
CALIBRATION = 4  # of the images a part in so many is trained on to time an epoch
TURNS = 3
BASE, MAX_STRIDE = "efficientnet_b0", 8


@dataclass(frozen=True, slots=True)
class Entry:
    """Names a recipe with replaced values; it trains for the epochs that fit the time.

    Or for `share` times those of the entry `like`, whose recipe is the same but for its `values`.
    """

    name: str
    recipe: str
    values: dict[str, Any] = field(default_factory=dict)
    like: str | None = None
    share: float = 1.0

    def fitting(self, fits: dict[str, int]) -> int:
        """Returns for how many epochs it trains, where `fits` says it of those that were timed."""
        return round(self.share * fits[self.like or self.name])

    def with_epochs(self, epochs: int) -> Recipe:
        """Returns the recipe for a training to its end, validated once."""
        return load_recipe(self.recipe, {**self.values, "epochs": epochs, "patience": 0})


@dataclass(frozen=True, slots=True)
class Contest:
    """Says what everyone trains on and for how long.

    `images` are taken from the training part (None: all), the whole test part measures.
    EfficientNet-B0 is brought to `macs` multiply-adds at the images' own size. `seconds` are of one
    core's time on a CPU, where as many trainings as there are cores run side by side in a thread
    each, and of the clock on a GPU.
    """

    source: str
    images: int | None
    seconds: float
    macs: float
    device: str

    @property
    def kind(self) -> Device:
        """The device that the trainings run on."""
        return pick_device(self.device)

    @property
    def workers(self) -> int:
        """Counts the trainings that run side by side."""
        return 1 if self.kind.is_cuda else os.cpu_count() or 1

    def spec(self, data: ImageData) -> ArchSpec:
        """Returns the network that everyone trains."""
        return fit_macs(
            catalog_spec(BASE), self.macs, resolution=data.image_size,
            num_classes=data.num_classes, max_stride=MAX_STRIDE,
        )  # fmt: skip


def held_out(data: ImageData, images: int | None, *, seed: int = 0) -> ImageData:
    """Returns the data with that many training images; the test part stays whole.

    Raises `InputError` where there are fewer.
    """
    if images is not None and images > len(data.train):
        raise InputError(f"--limit {images}: {data.name} has {len(data.train)} training images")
    rng = np.random.default_rng(seed)
    train_part = rng.permutation(data.train)[:images]
    validation = rng.permutation(data.validation)[:VALIDATION]
    kept = np.concatenate([train_part, validation, data.test])
    ends = np.cumsum([len(train_part), len(validation), len(data.test)])
    return replace(
        data,
        images=data.images[kept],
        labels=data.labels[kept],
        train=np.arange(ends[0]),
        validation=np.arange(ends[0], ends[1]),
        test=np.arange(ends[1], ends[2]),
    )


def _clock(device: Device) -> float:
    if device.is_cuda:
        torch.cuda.synchronize(device.torch)
        return time.perf_counter()
    return time.process_time()


def _opened(contest: Contest) -> tuple[ImageData, Device]:
    device = contest.kind
    if not device.is_cuda:
        torch.set_num_threads(1)
    return held_out(load_data(contest.source), contest.images), device


def epochs_within(seconds: float, *, fixed: float, epoch: float) -> int:
    """Returns how many epochs of so many seconds fit beside a training's `fixed` seconds."""
    return max(1, int((seconds - fixed) / epoch))


def calibrate(contest: Contest, entries: Sequence[Entry]) -> list[tuple[float, float]]:
    """Returns what a training of each entry takes: seconds beside the epochs, and an epoch's.

    Short trainings on a part of the images, entry after entry in turns: whatever slows the machine
    for a while slows them all alike.
    """
    data, device = _opened(contest)
    part = held_out(data, len(data.train) // CALIBRATION)
    spec = contest.spec(data)

    def timed(entry: Entry, epochs: int) -> float:
        start = _clock(device)
        train(spec, part, entry.with_epochs(epochs), seed=0, device=device)
        return _clock(device) - start

    stages = [entry.with_epochs(1_000).stages for entry in entries]
    timed(entries[0], stages[0])  # warms up
    turns = [
        [(timed(entry, n), timed(entry, 3 * n)) for entry, n in zip(entries, stages, strict=True)]
        for _ in range(TURNS)
    ]
    return [_parted(times, n) for times, n in zip(zip(*turns, strict=True), stages, strict=True)]


def _parted(times: Sequence[tuple[float, float]], stages: int) -> tuple[float, float]:
    """Parts the times of trainings of `stages` and of three times as many epochs."""
    short, long = (statistics.median(column) for column in zip(*times, strict=True))
    # noise must not make an epoch next to nothing
    epoch = max((long - short) / 2, long / 6) / stages
    return max(0.0, short - stages * epoch), epoch * CALIBRATION


def compete(contest: Contest, entry: Entry, epochs: int, seed: int) -> dict[str, Any]:
    """Trains one entry with one seed; returns its row."""
    data, device = _opened(contest)
    spec = contest.spec(data)
    start = _clock(device)
    trained = train(spec, data, entry.with_epochs(epochs), seed=seed, device=device)
    seconds = _clock(device) - start
    normalize = Normalize(data.mean, data.std).to(device.torch)
    test = open_feed(data, data.test, resolution=spec.resolution, device=device)
    network = trained.network.to(device.torch)
    score = accuracy(network, test, normalize, device, resolution=spec.resolution)
    return {
        "entry": entry.name,
        "seed": seed,
        "epochs": epochs,
        "seconds": round(seconds, 1),
        "accuracy": score,
        "validation": trained.accuracy,
        "macs": cost(spec).macs,
    }


def _pool(contest: Contest) -> ProcessPoolExecutor:
    """Returns the processes that train; each job gets a new one, whose clock begins at 0."""
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(contest.workers, mp_context=spawn, max_tasks_per_child=1)


def _key(contest: Contest, entry: Entry) -> str:
    return json.dumps([asdict(contest), asdict(entry)], sort_keys=True)


def run_contest(
    contest: Contest, entries: Sequence[Entry], seeds: int, kept: Path, reporter: Reporter
) -> Rows:
    """Trains every entry with every seed, those not in the file `kept` already; returns all rows.

    `kept` gets a line of JSON for each calibration and each training as it ends.
    """
    lines = [json.loads(line) for line in kept.read_text().splitlines()] if kept.is_file() else []
    known = {(line["key"], line.get("seed")): line for line in lines}
    reporter.plan(len(entries) * (1 + seeds) - sum(entry.like is not None for entry in entries))
    with _pool(contest) as pool:
        untimed = [entry for entry in entries
                   if entry.like is None and (_key(contest, entry), None) not in known]  # fmt: skip
        for entry, epochs in zip(untimed, _fitting(pool, contest, untimed), strict=True):
            _keep(kept, known, {"key": _key(contest, entry), "seed": None, "epochs": epochs})
            reporter.done(1, f"{entry.name}: {epochs} epochs fit")
        fits = {entry.name: known[_key(contest, entry), None]["epochs"] for entry in entries
                if entry.like is None}  # fmt: skip
        wanted = [(entry, seed) for seed in range(seeds) for entry in entries]
        trainings = {
            pool.submit(compete, contest, entry, entry.fitting(fits), seed): entry
            for entry, seed in wanted if (_key(contest, entry), seed) not in known
        }  # fmt: skip
        for entry, row in _finished(trainings):
            _keep(kept, known, {"key": _key(contest, entry), **row})
            reporter.done(1, f"{entry.name}, seed {row['seed']}: {row['accuracy']:.2%}")
    return [known[_key(contest, entry), seed] for entry, seed in wanted]


def _fitting(pool: ProcessPoolExecutor, contest: Contest, entries: Sequence[Entry]) -> list[int]:
    """Returns the epochs that fit, timed on every core at once: trainings run side by side too."""
    if not entries:
        return []
    jobs = [pool.submit(calibrate, contest, entries) for _ in range(contest.workers)]
    by_entry = zip(*(job.result() for job in jobs), strict=True)
    typical = (np.median(times, axis=0).tolist() for times in by_entry)
    return [epochs_within(contest.seconds, fixed=fixed, epoch=epoch) for fixed, epoch in typical]


def _finished(asked: dict[Future[Any], Entry]) -> Iterator[tuple[Entry, Any]]:
    for future in as_completed(asked):
        yield asked[future], future.result()


def _keep(path: Path, known: dict[Any, Any], line: dict[str, Any]) -> None:
    known[line["key"], line["seed"]] = line
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def summary(rows: Rows, entries: Sequence[Entry]) -> Rows:
    """Returns a row an entry: mean test accuracy, deviation, and by how much the first is ahead.

    The difference is of the same seed's trainings, with the standard error of its mean.
    """
    scores = {
        entry.name: [row["accuracy"] for row in rows if row["entry"] == entry.name]
        for entry in entries
    }
    return [_summary_row(entry.name, rows, scores, entries[0].name) for entry in entries]


def _of(rows: Rows, name: str) -> Rows:
    return [row for row in rows if row["entry"] == name]


def _summary_row(name: str, rows: Rows, scores: dict[str, list[float]], first: str) -> Any:
    own = _of(rows, name)
    times = [row["seconds"] for row in own]
    ratios = [one / row["seconds"] for one, row in zip(times, _of(rows, first), strict=True)]
    ahead = [one - other for one, other in zip(scores[first], scores[name], strict=True)]
    several = len(own) > 1
    return {
        "what": name,
        "test accuracy %": round(100 * statistics.mean(scores[name]), 2),
        "deviation": round(100 * statistics.stdev(scores[name]), 2) if several else None,
        "n": len(own),
        "epochs": own[0]["epochs"],
        "median s": round(statistics.median(times), 1),
        f"time of {first}'s": round(statistics.median(ratios), 2),
        f"{first} is ahead by": round(100 * statistics.mean(ahead), 2),
        "± (standard error)": round(100 * statistics.stdev(ahead) / len(ahead) ** 0.5, 2)
        if several
        else None,
    }
