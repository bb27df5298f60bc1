"""`nas bench scaling`: the studies of EfficientNet's paper, trained at counted MACs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from experiments.amounts import format_count, format_seconds
from experiments.arch import adapted, resolve_arch
from experiments.data import ImageData
from experiments.device import pick_device
from experiments.fidelity import Fidelity, Trainer
from experiments.files import write_atomic
from experiments.latency import measure
from experiments.parallel.cluster import disconnecting
from experiments.prepare import DataRequest, load_requested
from experiments.progress import Reporter
from experiments.recipes import Recipe, load_recipe
from experiments.scale_options import AS_THE_BASE, RoundingOptions
from experiments.store import EvaluationLog
from experiments.studies.scaling import Measured, scaling_rows, verdicts
from experiments.studies.scaling_figure import scaling_figure
from experiments.studies.section import check_page, put_section
from nas.evaluation import Evaluation
from scaling.compound import PAPER, Constants
from scaling.fit import fit_macs
from scaling.studies import BASE, STUDIES, Rules, study_points
from search_spaces.cost import cost
from search_spaces.errors import InputError, RunError

__all__ = ["BASES", "RATIOS", "ScalingBench", "bench_scaling", "marks_of"]

BASES: Mapping[str, tuple[str, ...]] = {
    "single": ("mobilenetv2",),
    "interaction": ("mobilenetv2",),
    "compound": ("mobilenetv2",),
    "baselines": ("mobilenetv1", "mobilenetv2", "resnet50"),
}
RATIOS: Mapping[str, tuple[float, ...]] = {
    "single": (2, 4, 8),
    "interaction": (2, 4, 8),
    "compound": (4,),
    "baselines": (4,),
}
TIMED = 0.5  # seconds of a measurement, for the estimate


@dataclass(frozen=True, slots=True)
class ScalingBench:
    """Says which studies, of which bases, at which size; empty bases or ratios: a study's own.

    `keep` is a file of JSON lines, `figure` a page of HTML, `page` one of the docs.
    """

    studies: tuple[str, ...]
    bases: tuple[str, ...] = ()
    ratios: tuple[float, ...] = ()
    seeds: int = 3
    constants: Constants = PAPER
    rounding: RoundingOptions = AS_THE_BASE
    resolution: int | None = None
    max_stride: int | None = None
    target_macs: float | None = None
    keep: Path | None = None
    figure: Path | None = None
    page: Path | None = None

    def __post_init__(self) -> None:
        for study in self.studies:
            if study not in STUDIES:
                raise InputError(f"no study is called {study!r}; they are {', '.join(STUDIES)}")
        if self.page is not None:
            for study in self.studies:
                check_page(self.page, marks_of(study))


def marks_of(study: str) -> tuple[str, str]:
    """Returns the marks in a page of the docs between which a study's results stand."""
    return f"<!-- nas bench scaling {study}: begin -->", f"<!-- nas bench scaling {study}: end -->"


def bench_scaling(asked: ScalingBench, request: DataRequest, reporter: Reporter) -> dict[str, Any]:
    """Trains the studies' networks, those not in `keep` already; returns rows and what they say.

    Every network gets the same recipe and as many epochs. Accuracies are on test images, read once
    at the end of a training; the best single dimension is chosen on validation images. Raises
    `InputError`, before anything is trained, for what cannot be scaled as asked.
    """
    loaded, device = load_requested(request), pick_device(request.device)
    recipe = load_recipe(request.recipe, request.overrides)
    recipe = recipe.model_copy(update={"patience": 0})  # as many epochs for all
    if len(loaded.train) < recipe.batch_size:
        raise InputError(
            f"{len(loaded.train)} training images are fewer than one batch of {recipe.batch_size}; "
            "use more images or a smaller --set batch_size"
        )
    points = [each for study in asked.studies for each in _points(asked, study, loaded)]
    with disconnecting():
        log, placement = EvaluationLog(asked.keep), request.placement
        at = placement.resolve(wants_gpu=device.is_cuda)
        trainer = Trainer(log, device, reporter, request.loaders, at)
        _Study(loaded, recipe, request, trainer).train(points, asked.seeds)
    document = {
        "training_images": len(loaded.train),
        "test_images": len(loaded.test),
        "epochs": recipe.epochs,
        "points": scaling_rows(points),
        "verdicts": verdicts(points),
    }
    _write(asked, points, document)
    return document


def _points(asked: ScalingBench, study: str, data: ImageData) -> Iterator[Measured]:
    seen = set[str]()
    for name in asked.bases or BASES[study]:
        arch = resolve_arch(name)
        spec = adapted(arch.spec, resolution=asked.resolution, max_stride=asked.max_stride)
        spec = replace(spec, num_classes=data.num_classes)
        rounding = asked.rounding.applied(arch.rounding)
        if asked.target_macs is not None:
            spec = fit_macs(spec, asked.target_macs, rounding=rounding, name=spec.name)
        rules = Rules(asked.constants, rounding)
        if spec.name in seen:
            raise InputError(f"two bases are called {spec.name}; give each once, by its own name")
        seen.add(spec.name)
        for point in study_points(study, spec, asked.ratios or RATIOS[study], rules):
            yield Measured(study, point)


@dataclass(frozen=True, slots=True, eq=False)
class _Study:
    """Trains points seed by seed, so that what is there at any time is about even."""

    data: ImageData
    recipe: Recipe
    request: DataRequest
    trainer: Trainer

    @property
    def reporter(self) -> Reporter:
        """Returns what is told of progress."""
        return self.trainer.reporter

    def train(self, points: Sequence[Measured], seeds: int) -> None:
        """Fills in what each point's trainings found."""
        todo = [(each, self.request.seed + n) for n in range(seeds) for each in points]
        self._estimate(todo)
        self.reporter.plan(sum(self._fidelity(each).work(each.point.spec) for each, _ in todo))
        self.trainer.ahead([(self._fidelity(each), each.point.spec, seed) for each, seed in todo])
        for each, seed in todo:
            found = self._trained(each, seed)
            if found is not None:
                each.found[seed] = found

    def _fidelity(self, each: Measured) -> Fidelity:
        return Fidelity(self.data, self.recipe, each.point.spec.resolution, True)

    def _trained(self, each: Measured, seed: int) -> Evaluation | None:
        spec, fidelity = each.point.spec, self._fidelity(each)
        key, name = fidelity.key(spec, seed), f"{spec.name}, seed {seed}"
        known = self.trainer.log.get(key)
        try:
            found = known or self.trainer.train(fidelity, fidelity.placed(spec), seed)
        except RunError as error:
            each.failed[seed] = str(error)
            self.reporter.note(f"{name} failed: {error}")
            self.reporter.skip(fidelity.work(spec))
            return None
        text = f"{name}: {found.test_accuracy or 0:.1%}"
        self.reporter.finish(fidelity.work(spec), text, now=known is None)
        return found

    def _estimate(self, todo: Sequence[tuple[Measured, int]]) -> None:
        """Says how many trainings there are to do, and about how long they take.

        A step of each base is timed; others' are taken to follow activations, as they do on a CPU.
        """
        missing = {
            self._fidelity(each).key(each.point.spec, seed): each
            for each, seed in todo
            if self.trainer.log.get(self._fidelity(each).key(each.point.spec, seed)) is None
        }
        if not missing:
            return
        bases = {each.point.base: each for each, _ in todo if each.point.series == BASE}
        rates = {name: self._rate(each) for name, each in bases.items()}
        seconds = sum(
            self._fidelity(each).work(each.point.spec) * rates[each.point.base]
            for each in missing.values()
        )
        self.reporter.note(
            f"{len(missing)} trainings of {self.recipe.epochs} epochs, "
            f"about {format_seconds(seconds)} on this machine as it is now"
        )

    def _rate(self, base: Measured) -> float:
        """Times a training step of a base; returns seconds for a unit of work."""
        spec, batch = base.point.spec, self.recipe.batch_size
        step = measure(
            spec, device=self.trainer.device, batch=batch, work="training", seconds=TIMED
        )
        return step.median / (float(cost(spec).activations) * batch)


def _write(asked: ScalingBench, points: Sequence[Measured], document: dict[str, Any]) -> None:
    if asked.figure is not None:
        write_atomic(asked.figure, scaling_figure(points))
    if asked.page is None:
        return
    for study in asked.studies:
        own = [each for each in points if each.study == study]
        rows = [_written(row) for row in scaling_rows(own)]
        said = "\n".join(f"- {line}." for line in verdicts(own))
        about = (
            f"{date.today()}, {os.cpu_count()} cores: {document['training_images']:,} training "
            f"images, {document['epochs']} epochs; accuracy on {document['test_images']:,} "
            f"test images.\n\n{said}"
        )
        put_section(asked.page, rows, about=about, marks=marks_of(study))


def _written(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a row as the docs show it."""
    short = {"MACs": format_count(row["MACs"]), "params": format_count(row["params"])}
    shown = {name: "–" if value is None else value for name, value in {**row, **short}.items()}
    return {name: value for name, value in shown.items() if name != "study"}
