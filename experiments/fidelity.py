"""Networks trained by a search's proxy and by the full recipe: each once, kept as it ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from experiments.data import ImageData
from experiments.device import Device
from experiments.evaluating import Training, train_job
from experiments.parallel.ahead import train_ahead
from experiments.parallel.engine import Ground
from experiments.parallel.placement import Placement
from experiments.parallel.work import Prepared, ShortTraining
from experiments.progress import Reporter
from experiments.recipes import Recipe
from experiments.store import EvaluationLog
from experiments.train import Engine
from experiments.training_progress import TrainingProgress, epoch_shares
from nas.evaluation import Evaluation
from nas.search import derive_seed
from search_spaces.codec import fingerprint, stage_to_string
from search_spaces.cost import cost
from search_spaces.errors import RunError
from search_spaces.spec import ArchSpec

__all__ = ["Fidelity", "Plan", "Trainer", "train_all", "train_once"]


@dataclass(frozen=True, slots=True, eq=False)
class Fidelity:
    """Says how faithfully networks are trained: data, recipe, side of the images in pixels.

    `is_full` ones are measured on the test part, the others on validation images, as a search does.
    """

    data: ImageData
    recipe: Recipe
    resolution: int
    is_full: bool

    @property
    def name(self) -> str:
        """Names it in progress and messages."""
        return "full recipe" if self.is_full else "proxy"

    def placed(self, spec: ArchSpec) -> ArchSpec:
        """Returns the network as it is trained here."""
        return replace(spec, resolution=self.resolution, num_classes=self.data.num_classes)

    def seed(self, spec: ArchSpec, seed: int, number: int) -> int:
        """Returns the seed of a training; the proxy's is what a search takes."""
        name = fingerprint(self.placed(spec))
        if self.is_full:
            return derive_seed(seed, "full", name, number)
        return derive_seed(seed, "trial", name)

    def key(self, spec: ArchSpec, seed: int) -> str:
        """Names a training; the proxy's is what a run's session calls it."""
        data = f"{self.data.fingerprint}:{self.data.split_digest}"
        name = f"{fingerprint(self.placed(spec))}:{self.recipe.digest}:{data}:{seed}"
        return f"full:{name}" if self.is_full else name

    def work(self, spec: ArchSpec) -> float:
        """Estimates the work of a training, for the time left."""
        activations = float(cost(self.placed(spec)).activations)
        return activations * len(self.data.train) * self.recipe.epochs


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Says which networks are trained by both, the full recipe with that many `seeds`."""

    specs: tuple[ArchSpec, ...]
    proxy: Fidelity
    full: Fidelity
    seeds: int
    seed: int = 0

    def trainings(self) -> Iterator[tuple[int, Fidelity, int]]:
        """Yields (network, fidelity, training seed): all of the proxy's, then seed by seed."""
        for fidelity, number in ((self.proxy, 0), *((self.full, n) for n in range(self.seeds))):
            for index, spec in enumerate(self.specs):
                yield index, fidelity, fidelity.seed(spec, self.seed, number)


def train_all(
    plan: Plan,
    log: EvaluationLog,
    device: Device,
    reporter: Reporter,
    *,
    loaders: int | None = None,
    placement: Placement | None = None,
) -> list[dict[str, Any]]:
    """Trains what the log lacks; returns a row a network, with its accuracies and seconds.

    A row has `proxy` and the list `full`; a network of which a training failed has `error` instead
    of what would have followed. With a `placement`, trainings run in parallel.
    """
    todo = list(plan.trainings())
    reporter.plan(sum(fidelity.work(plan.specs[index]) for index, fidelity, _ in todo))
    trainer = Trainer(log, device, reporter, loaders, placement)
    trainer.ahead([(fidelity, plan.specs[index], seed) for index, fidelity, seed in todo])
    rows = [_row(spec, plan) for spec in plan.specs]
    for index, fidelity, seed in todo:
        row, spec = rows[index], fidelity.placed(plan.specs[index])
        if row["error"]:
            reporter.skip(fidelity.work(spec))
            continue
        known = log.get(fidelity.key(spec, seed))
        try:
            found = known or trainer.train(fidelity, spec, seed)
        except RunError as error:
            row["error"] = f"{fidelity.name}: {error}"
            reporter.note(f"{spec.name} failed: {error}")
            reporter.skip(fidelity.work(spec))
            continue
        share = _take(row, fidelity, found)
        text = f"{fidelity.name}: {spec.name} of {len(rows)}, accuracy {share:.1%}"
        reporter.finish(fidelity.work(spec), text, now=known is None)
    return rows


def _row(spec: ArchSpec, plan: Plan) -> dict[str, Any]:
    counted = cost(plan.full.placed(spec))
    return {
        "fingerprint": fingerprint(plan.full.placed(spec)),
        "blocks": [stage_to_string(stage) for stage in spec.stages],
        "macs": int(counted.macs),
        "params": int(counted.params),
        "proxy": None,
        "full": [],
        "seconds": {"proxy": None, "full": []},
        "error": None,
    }


def _take(row: dict[str, Any], fidelity: Fidelity, found: Evaluation) -> float:
    """Writes a training into its network's row; returns the accuracy."""
    seconds = round(found.seconds, 3)
    if fidelity.is_full:
        share = 0.0 if found.test_accuracy is None else found.test_accuracy
        row["full"].append(share)
        row["seconds"]["full"].append(seconds)
    else:
        share = found.accuracy
        row["proxy"], row["seconds"]["proxy"] = share, seconds
    return share


@dataclass(frozen=True, slots=True, eq=False)
class Trainer:
    """Trains networks outside a run, and keeps each result in the log.

    With a `placement` a list of them can be trained `ahead`, in parallel; `failures` are the errors
    of those that failed then, by key.
    """

    log: EvaluationLog
    device: Device
    reporter: Reporter
    loaders: int | None = None
    placement: Placement | None = None
    failures: dict[str, str] = field(default_factory=dict)

    def train(self, fidelity: Fidelity, spec: ArchSpec, seed: int) -> Evaluation:
        """Trains a network that was placed. Raises `RunError` for a training that fails."""
        key = fidelity.key(spec, seed)
        if key in self.failures:
            raise RunError(self.failures[key])
        found = train_once(fidelity, spec, seed, self.device, self.reporter, self.loaders)
        self.log.add(key, found)
        return found

    def ahead(self, todo: Sequence[tuple[Fidelity, ArchSpec, int]]) -> None:
        """Trains networks in parallel, where there is a placement; their work has been planned."""
        if self.placement is None:
            return
        data = {"": todo[0][0].data, **{_name(each.data): each.data for each, _, _ in todo}}
        ground = Ground(
            data, self.log, lambda cpu, gpu: None,
            loaders=self.loaders, deterministic=self.device.deterministic,
        )  # fmt: skip
        jobs = [self._job(fidelity, fidelity.placed(spec), seed) for fidelity, spec, seed in todo]
        work = {job.key: each.work(job.spec) for job, (each, _, _) in zip(jobs, todo, strict=True)}
        found = train_ahead(jobs, work, ground, self.placement, self.reporter)
        self.failures.update(found)

    def _job(self, fidelity: Fidelity, spec: ArchSpec, seed: int) -> Prepared:
        training = Training(spec, fidelity.recipe, seed, is_tested=fidelity.is_full)
        limit = self.placement.limit(None) if self.placement else None
        return Prepared(
            name=f"{fidelity.name}: {spec.name}, seed {seed}", spec=spec, seed=seed,
            epochs=fidelity.recipe.epochs, key=fidelity.key(spec, seed),
            work=ShortTraining(training, limit=limit, data=_name(fidelity.data)),
        )  # fmt: skip


def _name(data: ImageData) -> str:
    return f"{data.fingerprint}:{data.split_digest}"


def train_once(
    fidelity: Fidelity,
    spec: ArchSpec,
    seed: int,
    device: Device,
    reporter: Reporter,
    loaders: int | None,
) -> Evaluation:
    """Trains a network that was placed; reads the test part where the fidelity is full.

    Raises `RunError` for a training that fails.
    """
    data, recipe = fidelity.data, fidelity.recipe
    reporter.running(f"{spec.name}, {fidelity.name}")
    shares = epoch_shares(recipe, resolution=spec.resolution, images=len(data.train))
    progress = TrainingProgress(
        reporter, f"{spec.name}, {fidelity.name}",
        work=fidelity.work(spec), shares=shares, memory=device.memory,
    )  # fmt: skip
    engine = Engine(loaders=loaders, on_note=reporter.note, on_step=progress.step)
    training = Training(spec, recipe, seed, is_tested=fidelity.is_full)
    return train_job(training, data, device, engine=engine, on_epoch=progress.epoch)
