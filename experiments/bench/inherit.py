"""`nas bench inherit`: how much training a member saves that begins with its base's weights."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from experiments.bench.contest import held_out
from experiments.bench.timing import Rows
from experiments.checkpoint import TrainingInfo, save_network
from experiments.data import ImageData
from experiments.device import Device, pick_device
from experiments.evaluating import evaluation_of, test_accuracy
from experiments.prepare import DataRequest, load_requested
from experiments.progress import Reporter
from experiments.recipes import Recipe, load_recipe
from experiments.store import EvaluationLog
from experiments.train import Engine, train
from experiments.training.weights import weights_digest
from nas.evaluation import Evaluation
from nas.search import derive_seed
from scaling.compound import Constants, scale
from scaling.inherit import obstacles
from search_spaces.codec import fingerprint
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec

__all__ = ["InheritOptions", "bench_inherit", "inherit_summary"]

BASE, SCRATCH, HEIR = "base", "from scratch", "inherited"


@dataclass(frozen=True, slots=True)
class InheritOptions:
    """Says which member of `base` is trained both ways, and for how long.

    From scratch it trains for the recipe's epochs; for each of `shares` of them from scratch too,
    and as inheritor by the recipe with `overrides`. `keep` is a folder for what is done: a line a
    training, and the bases' checkpoints.
    """

    base: ArchSpec
    constants: Constants
    keep: Path
    phi: float = 1.0
    seeds: int = 3
    shares: tuple[float, ...] = (0.5, 0.25)
    overrides: dict[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Raises `InputError` for shares that are none, or no seeds."""
        if self.seeds < 1:
            raise InputError(f"--seeds is {self.seeds}; it must be at least 1")
        bad = next((share for share in self.shares if not 0 < share <= 1), None)
        if bad is not None or not self.shares:
            raise InputError(f"--shares: {bad} is no share of a training; give some, as 0.5,0.25")


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """Holds what all trainings share."""

    options: InheritOptions
    data: ImageData
    recipe: Recipe
    heir: Recipe
    device: Device
    loaders: int | None
    reporter: Reporter
    log: EvaluationLog

    def spec(self, spec: ArchSpec) -> ArchSpec:
        """Returns a network for the data's classes."""
        return replace(spec, num_classes=self.data.num_classes)

    @property
    def base(self) -> ArchSpec:
        """Returns the base."""
        return self.spec(self.options.base)

    @property
    def member(self) -> ArchSpec:
        """Returns the member."""
        options = self.options
        return scale(self.base, options.phi, options.constants)

    def seed(self, number: int) -> int:
        """Returns a training seed; a base and its members share it, for pairs."""
        return derive_seed(number, "bench inherit")

    def checkpoint(self, number: int) -> Path:
        """Returns where the base of a seed is kept."""
        return self.options.keep / f"base.seed{number}.safetensors"

    def entries(self) -> Iterator[tuple[str, ArchSpec, Recipe]]:
        """Yields what is trained with each seed: base, member, and both ways for each share."""
        whole = self.recipe.epochs
        yield BASE, self.base, self.recipe
        yield SCRATCH, self.member, self.recipe
        for share in self.options.shares:
            epochs = max(1, round(whole * share))
            for name, recipe in ((SCRATCH, self.recipe), (HEIR, self.heir)):
                shorter = recipe.model_copy(update={"epochs": epochs})
                yield f"{name}, {epochs} of {whole} epochs", self.member, shorter

    def work(self, spec: ArchSpec, recipe: Recipe) -> float:
        """Counts the multiply-adds of a training's forward passes."""
        return float(cost(spec).macs) * len(self.data.train) * recipe.epochs

    def evaluated(self, name: str, spec: ArchSpec, recipe: Recipe, number: int) -> Evaluation:
        """Trains with the seed of that number, or looks the training up."""
        heir = name.startswith(HEIR)
        source = self.checkpoint(number) if heir else None
        start = weights_digest(source) if source else ""
        data = f"{self.data.fingerprint}:{self.data.split_digest}"
        key = f"{fingerprint(spec)}:{recipe.digest}:{data}:{self.seed(number)}:{start}"
        known = self.log.get(key)
        if known is not None and (name != BASE or self.checkpoint(number).is_file()):
            self.reporter.skip(self.work(spec, recipe))
            return known
        self.reporter.running(f"{name}, seed {number}")
        begun = time.perf_counter()
        trained = train(
            spec, self.data, recipe, seed=self.seed(number), device=self.device,
            weights=source, inherits=heir,
            engine=Engine(loaders=self.loaders, on_note=self.reporter.note),
        )  # fmt: skip
        seconds = time.perf_counter() - begun
        tested = test_accuracy(trained, self.data, self.device, self.loaders)
        found = evaluation_of(trained, seconds=seconds, seed=number, tested=tested)
        if name == BASE:
            save_network(self.checkpoint(number), trained.network, self._info(spec, recipe, number))
        self.log.add(key, found)
        text = f"{name}, seed {number}: {found.test_accuracy:.2%}"
        self.reporter.finish(self.work(spec, recipe), text, now=True)
        return found

    def _info(self, spec: ArchSpec, recipe: Recipe, number: int) -> TrainingInfo:
        data = self.data
        return TrainingInfo(
            spec, data.classes, data.mean, data.std, {}, recipe.values, self.seed(number)
        )


def bench_inherit(options: InheritOptions, request: DataRequest, reporter: Reporter) -> Rows:
    """Trains base, member and inheritors with every seed; returns a row each.

    Raises `InputError` for options that make no sense.
    """
    options.check()
    recipe = load_recipe(request.recipe, {**request.overrides, "patience": 0})
    heir = load_recipe(request.recipe, {**request.overrides, **options.overrides, "patience": 0})
    device = pick_device(request.device)
    data = held_out(load_requested(replace(request, limit=None)), request.limit)
    options.keep.mkdir(parents=True, exist_ok=True)
    log = EvaluationLog(options.keep / "trainings.jsonl")
    bench = _Bench(options, data, recipe, heir, device, request.loaders, reporter, log)
    entries = list(bench.entries())
    obstacles(bench.base, bench.member)
    reporter.plan(sum(bench.work(spec, recipe) for _, spec, recipe in entries) * options.seeds)
    found: dict[str, list[Evaluation]] = {name: [] for name, *_ in entries}
    for number in range(options.seeds):
        for name, spec, recipe in entries:
            found[name].append(bench.evaluated(name, spec, recipe, number))
    return inherit_summary(found)


def inherit_summary(found: dict[str, list[Evaluation]]) -> Rows:
    """Returns a row an entry: test accuracy, its lead on training from scratch, and the training.

    The lead is of the same seed's trainings, with the standard error of its mean. Training is
    counted in multiply-adds and in seconds, over what training from scratch takes; once more with
    the base's own training, for an inheritor whose base nobody needs.
    """
    return [_row(name, found) for name in found]


def _row(name: str, found: dict[str, list[Evaluation]]) -> dict[str, Any]:
    own, scratch = found[name], found[SCRATCH]
    scores, others = ([_test(one) for one in each] for each in (own, scratch))
    lead = [one - other for one, other in zip(scores, others, strict=True)]
    several = len(own) > 1
    inherits = name.startswith(HEIR)
    return {
        "what": name,
        "MACs": int(own[0].macs),
        "epochs": own[0].epochs,
        "test accuracy %": _percent(statistics.mean(scores)),
        "deviation": _percent(statistics.stdev(scores)) if several else None,
        "n": len(own),
        "lead on scratch": _percent(statistics.mean(lead)),
        "± (standard error)": _percent(statistics.stdev(lead) / len(lead) ** 0.5)
        if several
        else None,
        "seconds": round(statistics.median(one.seconds for one in own), 1),
        "training": _ratio(_macs(own), scratch),
        "with the base's": _ratio(_macs(own) + _macs(found[BASE]), scratch) if inherits else None,
    }


def _test(one: Evaluation) -> float:
    assert one.test_accuracy is not None
    return one.test_accuracy


def _percent(share: float) -> float:
    return round(100 * share, 2)


def _macs(found: list[Evaluation]) -> float:
    return float(sum(one.macs * one.epochs for one in found))


def _ratio(macs: float, scratch: list[Evaluation]) -> float:
    return round(macs / _macs(scratch), 3)
