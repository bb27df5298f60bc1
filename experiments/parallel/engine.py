"""The engine: a job source's jobs trained by workers, through Ray Tune."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.parallel.cluster import connect
from experiments.parallel.interrupts import Interrupts
from experiments.parallel.placement import Placement
from experiments.parallel.scratch import make_scratch
from experiments.parallel.work import Kit, Outcome, Prepared
from nas.jobs import Job, JobSource

if TYPE_CHECKING:
    from experiments.data import ImageData
    from experiments.parallel.tuning import Bridge
    from experiments.store import EvaluationLog

__all__ = ["Ground", "run_prepared"]

# Tune reads these when it starts; without them it prints, logs and keeps what nobody reads.
SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """Says what all jobs of a source share: data by name, where results and seconds go.

    The `log` has a result before the source is told; `spent` is told of seconds of the processor
    and of GPUs.
    """

    data: Mapping[str, ImageData]
    log: EvaluationLog
    spent: Callable[[float, float], None]
    loaders: int | None = None
    deterministic: bool = False

    def kit(self, placement: Placement) -> Kit:
        """Returns what is sent to workers."""
        return Kit(
            self.data, self.loaders, placement.threads,
            uses_gpu=placement.gpus > 0, deterministic=self.deterministic,
        )  # fmt: skip

    @property
    def nbytes(self) -> int:
        """Counts the bytes of the images that are sent to workers."""
        arrays = {id(data.images): data.images for data in self.data.values()}
        return sum(int(getattr(images, "nbytes", 0)) for images in arrays.values())


def run_prepared(
    source: JobSource, prepare: Callable[[Job], Prepared], ground: Ground, placement: Placement
) -> None:
    """Runs jobs until the source has no more; `prepare` says what a worker does for one.

    What the source raises ends everything, and is raised. So does Ctrl-C: what runs is given up; a
    second one ends this process at once.
    """
    connect(placement.address, images=ground.nbytes)
    from experiments.parallel.tuning import Bridge  # noqa: PLC0415 (imports Ray)

    def spent(outcome: Outcome) -> None:
        ground.spent(outcome.cpu, outcome.gpu * placement.gpus)

    with Interrupts() as interrupts:
        bridge = Bridge(source, prepare, placement, ground.log, spent, interrupts)
        try:
            _fit(bridge, ground.kit(placement), placement)
        except KeyboardInterrupt:
            bridge.give_up()
            raise
        if bridge.fault is not None:
            bridge.give_up()
            raise bridge.fault


def _fit(bridge: Bridge, kit: Kit, placement: Placement) -> None:
    from ray import tune  # noqa: PLC0415 (imports Ray)

    from experiments.parallel.tuning import Deadlines, Faults, Jobs, Rungs  # noqa: PLC0415
    from experiments.parallel.worker import Worker  # noqa: PLC0415

    share = tune.PlacementGroupFactory([{"CPU": placement.cpus, "GPU": placement.gpus}])
    trainable = tune.with_resources(tune.with_parameters(Worker, kit=kit), share)
    config: dict[str, Any] = {
        "search_alg": Jobs(bridge), "scheduler": Rungs(bridge), "num_samples": -1,
        "reuse_actors": True,
    }  # fmt: skip
    with _silent(placement.workers), _scratch() as folder:
        run = tune.RunConfig(
            name="jobs", storage_path=folder, verbose=0, stop=Faults(bridge),
            callbacks=[Deadlines(bridge)],
            failure_config=tune.FailureConfig(max_failures=placement.retries),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        )  # fmt: skip
        tune.Tuner(trainable, tune_config=tune.TuneConfig(**config), run_config=run).fit()


@contextlib.contextmanager
def _silent(workers: int) -> Iterator[None]:
    """Keeps Tune from printing and logging."""
    changed = {**SETTINGS, "TUNE_MAX_PENDING_TRIALS_PG": str(workers)}
    before = {name: os.environ.get(name) for name in changed}
    loggers = [logging.getLogger(name) for name in ("ray.tune", "ray.train", "ray.air")]
    levels = [logger.level for logger in loggers]
    os.environ.update(changed)
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _scratch() -> Iterator[str]:
    """Gives a folder for what Tune insists on writing."""
    folder = make_scratch()
    try:
        yield str(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
