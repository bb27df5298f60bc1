"""What every step of a run shares: folder, data, recipe, device, progress."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from experiments.amounts import format_count
from experiments.checkpoint import TrainingInfo, read_info, save_network
from experiments.config import RunConfig, TrainingConfig
from experiments.data import ImageData, findable
from experiments.device import Device
from experiments.evaluating import Training, test_accuracy, train_job
from experiments.files import check_room
from experiments.inheriting import begun_as, starting
from experiments.metrics import add_metrics
from experiments.parallel.jobs import final_key
from experiments.parallel.placement import Placement
from experiments.progress import Reporter
from experiments.ranked.plan import Ranks
from experiments.recipes import Recipe
from experiments.store import EvaluationLog, RunFolder
from experiments.tracking import RESULTS, Tracked, Tracking, settings
from experiments.train import Engine, EpochRecord, Trained, train
from experiments.training.optimizers import state_tensors
from experiments.training_hooks import both, time_limit
from experiments.training_progress import TrainingProgress, epoch_shares
from nas.evaluation import Evaluation
from nas.objective import Plugin
from search_spaces.codec import fingerprint
from search_spaces.cost import cost
from search_spaces.errors import InputError, RunError
from search_spaces.spec import ArchSpec

__all__ = ["Session"]


def _file_bytes(spec: ArchSpec, recipe: Recipe) -> int:
    """Estimates what a training's files take at most: its state, thrice, while one is replaced."""
    tensors = 2 + state_tensors(recipe) + (recipe.ema > 0)  # weights, the best, and what goes along
    return 3 * 4 * int(cost(spec).params) * tensors


def _resume_path(path: Path, key: str) -> Path:
    return path.parent / f".{path.stem}.{key}.resume"


@dataclass(frozen=True)
class Session:
    """Trains networks of one run, never the same one twice.

    `plugin` is the reward of the user's own that the command asked for; `placement` says where
    trainings in parallel run, `ranks` how many train one network (None: this process does it all).
    """

    folder: RunFolder
    config: RunConfig
    data: ImageData
    device: Device
    reporter: Reporter
    loaders: int | None = None
    track: tuple[str, ...] = ()
    plugin: Plugin | None = None
    placement: Placement | None = None
    ranks: Ranks | None = None

    @cached_property
    def log(self) -> EvaluationLog:
        """Opens the log of finished trainings."""
        return self.folder.evaluations()

    @cached_property
    def failures(self) -> dict[str, str]:
        """Holds the errors of trainings that failed in other processes, by key."""
        return {}

    def short_recipe(self, epochs: int) -> Recipe:
        """Returns the run's recipe for an evaluation: that many epochs, validated at the end."""
        return self.config.recipe.model_copy(update={"epochs": epochs, "patience": 0})

    def work(self, spec: ArchSpec, epochs: int) -> float:
        """Estimates the work of one training of `spec`, for the time left.

        In activations computed: the step time of small networks follows them, not MACs.
        """
        return float(cost(spec).activations) * len(self.data.train) * epochs

    def key(self, spec: ArchSpec, recipe: Recipe, seed: int, weights: str = "") -> str:
        """Names a training: network, recipe, data with its split, seed, weights to start from."""
        data = f"{self.data.fingerprint}:{self.data.split_digest}"
        start = f":{weights}" if weights else ""
        return f"{fingerprint(spec)}:{recipe.digest}:{data}:{seed}{start}"

    def _progress(
        self, spec: ArchSpec, recipe: Recipe, name: str, *, work: float, by_epoch: bool = False
    ) -> TrainingProgress:
        shares = epoch_shares(recipe, resolution=spec.resolution, images=len(self.data.train))
        return TrainingProgress(
            self.reporter, name,
            work=work, shares=shares, memory=self.device.memory, by_epoch=by_epoch,
        )  # fmt: skip

    def is_known(
        self, spec: ArchSpec, *, seed: int, epochs: int, start: TrainingConfig | None = None
    ) -> bool:
        """Tells whether `evaluate` would look this training up."""
        weights = start.digest if start else ""
        return self.log.get(self.key(spec, self.short_recipe(epochs), seed, weights)) is not None

    def evaluate(
        self,
        spec: ArchSpec,
        *,
        seed: int,
        epochs: int,
        planned: float | None = None,
        limit: float | None = None,
        rungs: Mapping[int, Callable[[float], None]] | None = None,
        start: TrainingConfig | None = None,
    ) -> Evaluation:
        """Trains a network and returns its validation accuracy, or looks that training up.

        The caller tells the reporter of the work that it `planned` for this (None: `work`) once it
        is done. `start` names weights to start from. Raises `RunError` for a training that takes
        over `limit` seconds, and what `rungs`, told of the accuracy after some epochs, raise.
        """
        recipe = self.short_recipe(epochs)
        key = self.key(spec, recipe, seed, start.digest if start else "")
        known = self.log.get(key)
        if known is not None:
            return known
        self._raise_failed(key)
        name = f"{spec.name}, {format_count(cost(spec).macs)} MACs"
        self.reporter.running(name)
        begun = time.perf_counter()
        work = self.work(spec, epochs) if planned is None else planned
        progress = self._progress(spec, recipe, name, work=work)
        step = progress.step if limit is None else both(progress.step, time_limit(limit, begun))
        engine = Engine(
            loaders=self.loaders, on_note=self.reporter.note, on_step=step, rungs=rungs or {}
        )
        evaluation = train_job(
            Training(spec, recipe, seed, start), self.data, self.device,
            engine=engine, on_epoch=progress.epoch,
        )  # fmt: skip
        self.log.add(key, evaluation)
        return evaluation

    def _raise_failed(self, key: str) -> None:
        if key in self.failures:
            raise RunError(self.failures[key])

    def info(self, spec: ArchSpec, recipe: Recipe, seed: int, weights: str = "") -> TrainingInfo:
        """Describes a training for its checkpoint, before it has results."""
        data = {
            "source": findable(self.data.name),
            "fingerprint": self.data.fingerprint,
            "split_digest": self.data.split_digest,
            "seed": self.config.data.seed,
            "limit": self.config.data.limit,
            "image_size": self.data.image_size,
        }
        return TrainingInfo(
            spec=replace(spec, num_classes=self.data.num_classes),
            classes=self.data.classes,
            mean=self.data.mean,
            std=self.data.std,
            data=data,
            recipe=recipe.values,
            seed=seed,
            weights=weights,
        )

    def _finished(self, path: Path, wanted: TrainingInfo, *, replaces: bool) -> bool:
        if not path.is_file():
            return False
        same = read_info(path).same_training(wanted)
        if not same and not replaces:
            raise InputError(f"{path} holds another training; choose another folder with --out")
        return same

    def train_final(
        self,
        spec: ArchSpec,
        path: Path,
        *,
        recipe: Recipe,
        seed: int,
        replaces: bool = False,
        start: TrainingConfig | None = None,
    ) -> TrainingInfo:
        """Trains a network as `train_checkpoint` does, and adds its curves to the run's."""
        info = self.train_checkpoint(
            spec, path, recipe=recipe, seed=seed, replaces=replaces, start=start
        )
        # Also where a training was killed while it was ended, its checkpoint safe.
        add_metrics(self.folder, path.stem, info)
        _resume_path(path, self._file_key(spec, recipe, seed, start)).unlink(missing_ok=True)
        return info

    def train_checkpoint(
        self,
        spec: ArchSpec,
        path: Path,
        *,
        recipe: Recipe,
        seed: int,
        replaces: bool = False,
        start: TrainingConfig | None = None,
    ) -> TrainingInfo:
        """Trains a network to the end, reads the test part once, and saves the checkpoint.

        A training that was finished before is read back; one that was interrupted goes on where
        its state was kept last. Another training's checkpoint at `path` is replaced once this one
        is done, where `replaces` allows it; otherwise it raises `InputError`, as it does where the
        disk has no room. `start` names weights to start from.
        """
        self._raise_failed(final_key(path))
        self.reporter.running(f"{path.stem}: epoch 1/{recipe.epochs}")
        wanted = self.info(spec, recipe, seed, start.digest if start else "")
        resume = _resume_path(path, key := self._file_key(spec, recipe, seed, start))
        tracked = Tracked(path.stem, key, settings(wanted, recipe))
        with Tracking(
            self.track, self.folder.path, tracked, on_note=self.reporter.note
        ) as tracking:
            if self._finished(path, wanted, replaces=replaces):
                self.reporter.skip(self.work(spec, recipe.epochs))
                info = read_info(path)
                tracking.started([EpochRecord(*row) for row in info.metrics["history"]])
            else:
                check_room(path.parent, _file_bytes(spec, recipe), what=f"training {spec.name}")
                trained = self._train(spec, recipe, seed, resume, tracking, start=start)
                grown = begun_as(start, wanted.spec)
                info = replace(wanted, metrics={**self._metrics(trained), **grown})
                save_network(path, trained.network, info)
            tracking.ended({name: info.metrics[name] for name in RESULTS})
        return info

    def is_trained(self, spec: ArchSpec, path: Path, *, recipe: Recipe, seed: int) -> bool:
        """Tells whether `train_checkpoint` would read this training back."""
        return self._finished(path, self.info(spec, recipe, seed), replaces=True)

    def _file_key(
        self, spec: ArchSpec, recipe: Recipe, seed: int, start: TrainingConfig | None
    ) -> str:
        name = self.key(spec, recipe, seed, start.digest if start else "")
        return hashlib.sha256(name.encode()).hexdigest()[:16]

    def _train(
        self, spec: ArchSpec, recipe: Recipe, seed: int, resume: Path, tracking: Tracking,
        *, start: TrainingConfig | None,
    ) -> Trained:  # fmt: skip
        """Trains from the start or where a state was kept, and says how it goes."""
        progress = self._progress(
            spec, recipe, tracking.tracked.name, work=self.work(spec, recipe.epochs), by_epoch=True
        )
        if self.ranks is not None and self.ranks.count > 1:
            from experiments.ranked.driver import train_in_session  # noqa: PLC0415 (Ray)

            how = (spec, recipe, seed, resume, tracking, progress)
            trained = train_in_session(self, self.ranks, *how, start=start)
        else:
            engine = Engine(
                loaders=self.loaders, on_note=self.reporter.note, on_step=progress.step,
                on_start=both(progress.started, tracking.started),
            )  # fmt: skip
            trained = train(
                spec, self.data, recipe, seed=seed, device=self.device, resume=resume,
                on_epoch=both(progress.epoch, tracking.epoch), engine=engine, **starting(start),
            )  # fmt: skip
        progress.ended()
        return trained

    def _metrics(self, trained: Trained) -> dict[str, Any]:
        """Returns a training's results; this is the one place that reads the test part."""
        tested = test_accuracy(trained, self.data, self.device, self.loaders)
        trained.network.cpu()
        counted = cost(trained.network.spec)
        return {
            "validation_accuracy": trained.accuracy,
            "test_accuracy": tested,
            "macs": counted.macs,
            "params": counted.params,
            "epochs": len(trained.history),
            "best_epoch": trained.best_epoch,
            "seconds": round(trained.seconds, 3),
            "history": [astuple(record) for record in trained.history],
        }
