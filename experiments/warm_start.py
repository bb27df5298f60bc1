"""What another run's trials say of a space, as the grey-box sampler's prior."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution

from experiments.config import SearchConfig
from experiments.space_files import space_of
from experiments.store import RunFolder
from nas.samplers.columns import Columns
from nas.samplers.known import Known
from nas.samplers.surrogate import Prior, learnt_prior
from nas.trials import TrialRecord, records
from search_spaces.errors import InputError
from search_spaces.space import SearchSpace

__all__ = ["Earlier", "prior_of", "read_earlier"]


@dataclass(frozen=True, slots=True)
class Earlier:
    """Holds the networks that another run trained: their choices and accuracies, in order."""

    choices: tuple[dict[str, Any], ...]
    accuracies: tuple[float, ...]

    @classmethod
    def of(cls, trials: list[TrialRecord]) -> Earlier:
        """Takes what was trained; a repeat of a network says nothing new."""
        first = [t for t in trials if t.evaluation is not None and t.duplicate_of is None]
        return cls(
            tuple(t.choices for t in first),
            tuple(t.evaluation.accuracy for t in first if t.evaluation is not None),
        )

    @property
    def digest(self) -> str:
        """Returns a digest of choices and accuracies."""
        text = json.dumps([self.choices, self.accuracies], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def read_earlier(path: Path, space: SearchSpace, *, sampler: str) -> Earlier:
    """Reads the finished trials of the run at `path`, which may have had other data.

    Raises `InputError` where it searched another space or has trained nothing, and for a sampler
    that has no prior.
    """
    what = f"--warm-start {path}"
    if sampler != "greybox":
        raise InputError(f"{what}: only --sampler greybox learns from another run, not {sampler}")
    folder = RunFolder(path)
    config = folder.read()
    if config.search is None:
        raise InputError(f"{what}: nothing was searched in that run")
    theirs = space_of(config.search, num_classes=len(config.data.classes))
    _check_same(what, config.search, theirs, space)
    found = Earlier.of([t for study in folder.searches() for t in records(study, theirs)])
    if not found.choices:
        raise InputError(f"{what}: no trial has finished there")
    return found


def _check_same(what: str, config: SearchConfig, theirs: SearchSpace, space: SearchSpace) -> None:
    mine, other = ({c.name: c.options for c in each.choices} for each in (space, theirs))
    if mine == other:
        return
    differing = next(name for name in (*mine, *other) if mine.get(name) != other.get(name))
    raise InputError(
        f"{what}: that run searched space {config.space}, whose choices differ from those of "
        f"{space.name} ({differing}); give a run of the same space"
    )


def prior_of(asked: SearchConfig, space: SearchSpace, known: Known) -> Prior | None:
    """Returns the accuracies to expect of a space's networks after another run's trainings.

    None where none is asked for. Raises `InputError` where that run has trained more since.
    """
    if asked.warm_start is None:
        return None
    earlier = read_earlier(Path(asked.warm_start), space, sampler=asked.sampler)
    if earlier.digest != asked.warm_digest:
        raise InputError(
            f"--warm-start {asked.warm_start}: its trials are not those that this search began "
            "with; start another search with another --out"
        )
    columns = Columns({n: CategoricalDistribution(o) for n, o in known.choices.items()})
    rows = columns.encode(earlier.choices)
    return learnt_prior(columns, known, rows, np.array(earlier.accuracies))
