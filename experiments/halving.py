"""Successive halving of a run's trainings: over epochs, the images' side, or their number."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from experiments.config import SearchConfig
from experiments.data.portion import portion
from experiments.rungs import rung_amounts
from experiments.session import Session
from nas.evaluation import Evaluation
from nas.halving import Halving, Staged, StagedEvaluator
from search_spaces.cost import cost
from search_spaces.spec import ArchSpec

__all__ = ["halving_of", "staged", "stages_of"]

Report = Callable[[Evaluation], None]


def staged(
    session: Session, asked: SearchConfig, *, unit: float, name: Callable[[], str]
) -> Staged:
    """Returns the evaluator in rungs that a search asks for.

    `unit` is the work that a trial is planned as, and `name` says what its network is called. Every
    rung is kept in the log of trainings, so that none is trained again.
    """
    halving, amounts = halving_of(session, asked)
    make: StagedEvaluator
    if asked.halving == "epochs":
        make = _Epochs(session, asked, amounts, unit, name)
    else:
        make = _Trainings(stages_of(session, asked), asked, halving, unit, name)
    return Staged(make, halving)


def halving_of(session: Session, asked: SearchConfig) -> tuple[Halving, tuple[int, ...]]:
    """Returns the halving that a search asks for, and what each rung has of what is divided."""
    assert asked.halving is not None
    assert asked.rungs is not None
    halving = Halving(asked.rungs, asked.reduction)
    full = {
        "epochs": asked.epochs, "image-size": asked.resolution, "data": len(session.data.train),
    }  # fmt: skip
    return halving, rung_amounts(asked.halving, full[asked.halving], halving)


@dataclass(frozen=True)
class _Epochs:
    """Trains once, and reports the accuracy after some epochs on the way.

    The learning rate follows the schedule of the whole training, so an accuracy on the way is less
    than that of a training made to end there: it is held only against others at the same epoch.
    """

    session: Session
    asked: SearchConfig
    epochs: tuple[int, ...]
    unit: float
    name: Callable[[], str]

    def __call__(self, spec: ArchSpec, *, seed: int, report: Report) -> Evaluation:
        """Evaluates `spec`, as `StagedEvaluator` says."""
        session, asked = self.session, self.asked
        key = session.key(spec, session.short_recipe(asked.epochs), seed)
        todo = list(self.epochs[:-1])
        while todo and (known := session.log.get(_rung_key(key, todo[0]))) is not None:
            report(known)
            todo.pop(0)
        start = time.perf_counter()

        def tell(epoch: int, accuracy: float) -> None:
            counted = cost(replace(spec, num_classes=session.data.num_classes))
            seconds = time.perf_counter() - start
            found = Evaluation(accuracy, counted.macs, counted.params, seconds, seed, epoch)
            session.log.add(_rung_key(key, epoch), found)
            report(found)

        return session.evaluate(
            replace(spec, name=self.name()), seed=seed, epochs=asked.epochs, planned=self.unit,
            limit=asked.trial_seconds,
            rungs={epoch: partial(tell, epoch) for epoch in todo},
        )  # fmt: skip


def _rung_key(key: str, epoch: int) -> str:
    return f"{key}:after {epoch}"


def stages_of(session: Session, asked: SearchConfig) -> tuple[tuple[Session, int], ...]:
    """Returns with which data, and at which side of the images, each rung trains.

    That is where rungs are trainings of their own, and not epochs of one.
    """
    _, amounts = halving_of(session, asked)
    if asked.halving == "image-size":
        return tuple((session, side) for side in amounts)
    seed, data = session.config.data.seed, session.data
    parts = [replace(session, data=portion(data, n, seed=seed)) for n in amounts[:-1]]
    return tuple((each, asked.resolution) for each in (*parts, session))


@dataclass(frozen=True)
class _Trainings:
    """Trains anew at every rung: with smaller images, or fewer of them, but the last time.

    All are validated on the same images, and each has the schedule of a training of its own.
    """

    stages: tuple[tuple[Session, int], ...]
    asked: SearchConfig
    halving: Halving
    unit: float
    name: Callable[[], str]

    def __call__(self, spec: ArchSpec, *, seed: int, report: Report) -> Evaluation:
        """Evaluates `spec`, as `StagedEvaluator` says."""
        spent, limit = 0.0, self.asked.trial_seconds
        *before, (whole, _) = self.stages
        spec = replace(spec, name=self.name())
        for (session, side), share in zip(before, self.halving.shares, strict=False):
            found = session.evaluate(
                replace(spec, resolution=side), seed=seed, epochs=self.asked.epochs,
                planned=self.unit * share, limit=None if limit is None else limit - spent,
            )  # fmt: skip
            spent += found.seconds
            report(replace(found, seconds=spent))
        found = whole.evaluate(
            spec, seed=seed, epochs=self.asked.epochs, planned=self.unit,
            limit=None if limit is None else limit - spent,
        )  # fmt: skip
        return replace(found, seconds=spent + found.seconds)
