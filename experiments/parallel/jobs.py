"""The trainings of a session as jobs: evaluations, and those that leave a checkpoint."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.parallel.work import Place, Prepared, Report, ShortTraining
from nas.evaluation import Evaluation
from search_spaces.errors import RunError
from search_spaces.spec import ArchSpec

if TYPE_CHECKING:
    from experiments.config import RunConfig, TrainingConfig
    from experiments.parallel.placement import Placement
    from experiments.recipes import Recipe
    from experiments.session import Session

__all__ = ["evaluation_job", "final_job", "final_key"]


def evaluation_job(
    session: Session,
    spec: ArchSpec,
    *,
    seed: int,
    epochs: int,
    name: str,
    start: TrainingConfig | None = None,
    rungs: tuple[int, ...] = (),
    limit: float | None = None,
    placement: Placement | None = None,
) -> Prepared:
    """Returns what `Session.evaluate` does as a job, for a placement (None: the session's)."""
    from experiments.evaluating import Training  # noqa: PLC0415 (imports torch)

    recipe, placement = session.short_recipe(epochs), placement or session.placement
    shortest = placement.limit(limit) if placement else limit
    work = ShortTraining(Training(spec, recipe, seed, start), rungs, shortest)
    key = session.key(spec, recipe, seed, start.digest if start else "")
    return Prepared(
        name=name, spec=spec, seed=seed, epochs=epochs, rungs=rungs, limit=limit, work=work,
        key=key,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _FinalTraining:
    """Trains to the end and writes the checkpoint, in the run folder that all machines share."""

    folder: Path
    config: RunConfig
    spec: ArchSpec
    path: Path
    recipe: Recipe
    seed: int
    replaces: bool

    def run(self, place: Place, report: Report) -> Evaluation:
        """Trains, or goes on where a lost worker was."""
        from experiments.progress import Reporter  # noqa: PLC0415 (threads are set before torch)
        from experiments.session import Session  # noqa: PLC0415
        from experiments.store import RunFolder  # noqa: PLC0415

        folder = RunFolder(self.folder)
        if not folder.is_run(self.folder):
            raise RunError(
                f"{self.folder}: the worker {platform.node()} cannot see this folder; --out must "
                "be on a file system that all machines share"
            )
        session = Session(
            folder, self.config, place.data[""], place.device, Reporter(), place.loaders
        )
        info = session.train_checkpoint(
            self.spec, self.path, recipe=self.recipe, seed=self.seed, replaces=self.replaces
        )
        found = info.metrics
        return Evaluation(
            found["validation_accuracy"], found["macs"], found["params"], found["seconds"],
            self.seed, found["epochs"], found["test_accuracy"],
        )  # fmt: skip


def final_job(
    session: Session, spec: ArchSpec, path: Path, *, recipe: Recipe, seed: int, name: str
) -> Prepared | None:
    """Returns what `Session.train_final`, replacing what was there, does as a job.

    The checkpoint is the result; None where it is there already.
    """
    if session.is_trained(spec, path, recipe=recipe, seed=seed):
        return None
    folder, path = session.folder.path.absolute(), path.absolute()
    work = _FinalTraining(folder, session.config, spec, path, recipe, seed, replaces=True)
    return Prepared(
        name=name,
        spec=spec,
        seed=seed,
        epochs=recipe.epochs,
        work=work,
        key=final_key(path),
        is_logged=False,
    )


def final_key(path: Path) -> str:
    """Names the training of a checkpoint."""
    return f"final:{path.absolute()}"
