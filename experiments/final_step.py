"""The last trainings of a run: the base over several seeds, its family, and the baselines."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from experiments.checkpoint import TrainingInfo
from experiments.growing import member_training
from experiments.parallel.ahead import prefetch
from experiments.parallel.jobs import final_job
from experiments.recipes import Recipe
from experiments.session import Session
from nas.search import derive_seed
from scaling.family import Member
from scaling.fit import fit_macs
from search_spaces.catalog import catalog_spec
from search_spaces.cost import cost
from search_spaces.spec import ArchSpec

__all__ = [
    "BASELINES",
    "Final",
    "FinalRow",
    "fit_baselines",
    "train_ahead",
    "train_members",
    "train_seeds",
]

BASELINES = ("mobilenetv2", "efficientnet_b0")


@dataclass(frozen=True, slots=True)
class FinalRow:
    """Holds a network's test accuracies, in [0, 1], one a seed, with what it costs."""

    name: str
    role: str
    spec: ArchSpec
    macs: int
    params: int
    test: tuple[float, ...]
    validation: tuple[float, ...]
    seconds: float
    checkpoint: Path

    @property
    def mean(self) -> float:
        """Averages the test accuracies."""
        return statistics.fmean(self.test)

    @property
    def deviation(self) -> float:
        """Returns the sample's standard deviation over seeds; NaN for one seed."""
        return statistics.stdev(self.test) if len(self.test) > 1 else math.nan


@dataclass(frozen=True, slots=True)
class Final:
    """Says how a network of that name is trained to the end: the recipe, how many seeds, where."""

    spec: ArchSpec
    name: str
    folder: Path
    recipe: Recipe
    seeds: int

    def files(self, seed: int) -> Iterator[tuple[Path, int]]:
        """Yields the checkpoint of each training, and its seed; `seed` is the run's."""
        for index in range(self.seeds):
            end = f".seed{index}" if index else ""
            yield self.folder / f"{self.name}{end}.safetensors", derive_seed(seed, "final", index)


def fit_baselines(base: ArchSpec, names: tuple[str, ...] = BASELINES) -> tuple[ArchSpec, ...]:
    """Returns published networks at the base's resolution and MACs (±10%).

    As is common for small images, their earliest strides are dropped until the last feature map
    is two pixels a side; the other strides, and the proportions of widths and depths, stay.
    """
    return tuple(
        fit_macs(
            catalog_spec(name),
            cost(base).macs,
            resolution=base.resolution,
            num_classes=base.num_classes,
            max_stride=max(1, base.resolution // 2),
            name=f"{name}_fitted",
        )
        for name in names
    )


def train_seeds(
    session: Session,
    spec: ArchSpec,
    folder: Path,
    *,
    role: str,
    recipe: Recipe,
    seeds: int,
    name: str | None = None,
) -> FinalRow:
    """Trains a network with `seeds` seeds, the same for every network, into `folder`.

    A run's folder follows its base: when a longer search has found another one, or the grid other
    constants, the checkpoints of the former family are replaced.
    """
    name = name or spec.name
    final = Final(spec, name, folder, recipe, seeds)
    infos = [
        session.train_final(spec, path, recipe=recipe, seed=seed, replaces=True)
        for path, seed in final.files(session.config.seed)
    ]
    return _row(name, role, spec, infos, folder / f"{name}.safetensors")


def train_ahead(session: Session, finals: Iterable[Final]) -> None:
    """Trains networks in parallel where the session says so; `train_seeds` reads them back."""
    if session.placement is None:
        return
    found = [
        final_job(session, final.spec, path, recipe=final.recipe, seed=seed, name=path.stem)
        for final in finals
        for path, seed in final.files(session.config.seed)
    ]
    jobs = [job for job in found if job is not None]
    prefetch(session, sorted(jobs, key=lambda job: -session.work(job.spec, job.epochs)))


def _row(
    name: str, role: str, spec: ArchSpec, infos: list[TrainingInfo], checkpoint: Path
) -> FinalRow:
    counted = cost(infos[0].spec)
    return FinalRow(
        name=name,
        role=role,
        spec=spec,
        macs=counted.macs,
        params=counted.params,
        test=tuple(info.metrics["test_accuracy"] for info in infos),
        validation=tuple(info.metrics["validation_accuracy"] for info in infos),
        seconds=sum(info.metrics["seconds"] for info in infos),
        checkpoint=checkpoint,
    )


def train_members(
    session: Session,
    members: tuple[Member, ...],
    *,
    base: ArchSpec,
    recipe: Recipe,
    seeds: int,
) -> list[FinalRow]:
    """Trains the family, smaller members first; φ = 0 with all seeds, the others with one.

    Larger members regularise more, as published, unless the recipe says otherwise.
    """
    folder, finals = session.folder.family_path, []
    ordered = sorted(members, key=lambda member: member.macs)
    for member in ordered:
        spec, own = member_training(member.spec, member.phi, recipe, base_dropout=base.dropout)
        finals.append(Final(spec, member.name, folder, own, seeds if member.phi == 0 else 1))
    train_ahead(session, finals)
    return [
        train_seeds(
            session,
            final.spec,
            folder,
            role="base" if member.phi == 0 else f"φ = {member.phi:g}",
            recipe=final.recipe,
            seeds=final.seeds,
            name=member.name,
        )
        for member, final in zip(ordered, finals, strict=True)
    ]
