"""A run folder for what was predicted: the best networks as trials of a study, best.json."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from experiments.config import PredictedConfig, read_predicted, write_config
from experiments.imagenet.answer import base_name
from experiments.imagenet.request import Asked
from experiments.search_results import front_of_trials, trial_rows, write_search
from experiments.store import RunFolder
from nas.confirmation import confirm
from nas.pairwise.evaluator import evaluator_of
from nas.samplers import sampler_factory
from nas.search import Budget, search
from search_spaces.errors import InputError

__all__ = ["write_answer"]


def write_answer(folder: RunFolder, asked: Asked, encoded: np.ndarray) -> dict[str, str]:
    """Puts the best networks (N, choices) into a run folder, and returns what is where.

    Raises `InputError` for a folder that holds something else.
    """
    config = PredictedConfig(
        evaluator=asked.evaluator,
        digest=asked.loaded.digest,
        space=asked.loaded.predictor.space.name,
        objective=asked.objective.name,
        target_macs=asked.objective.target_macs,
        exponent=asked.objective.resolved_exponent,
    )
    _check(folder, config)
    with folder.lock(), folder.timed("search"):
        write_config(folder.config_path, config)
        _write(folder, asked, encoded)
    return {
        "best": str(folder.best_path),
        "front": str(folder.front_path),
        "trials": str(folder.trials_path),
    }


def _check(folder: RunFolder, config: PredictedConfig) -> None:
    if not folder.config_path.exists():
        folder.check_empty()
        return
    made_for = read_predicted(folder.config_path)
    for (name, mine), (_, theirs) in zip(made_for, config, strict=True):
        if mine != theirs:
            raise InputError(
                f"{folder.path} was made for {name} {mine}, not {theirs}; "
                "choose another folder with --out"
            )


def _write(folder: RunFolder, asked: Asked, encoded: np.ndarray) -> None:
    """Runs the search over the networks that were found, in order, as any other search runs."""
    predictor = asked.loaded.predictor
    space, evaluate = predictor.space, evaluator_of(predictor)
    study = folder.study()
    for values in space.values_many(encoded):
        study.enqueue_trial(values, skip_if_exists=True)
    trials = search(
        study, space, evaluate, asked.objective,
        sampler=sampler_factory("random"), budget=Budget(len(encoded)),
    )  # fmt: skip
    deviations = predictor.deviation(space.encode_many([trial.choices for trial in trials]))  # type: ignore[misc]
    rows: list[dict[str, Any]] = [
        {**row, "deviation": deviation}
        for row, deviation in zip(trial_rows(trials), deviations.tolist(), strict=True)
    ]
    folder.write_table(folder.trials_path, rows)
    best = confirm(trials, evaluate, asked.objective, count=1, repeats=0)[0]
    base = replace(best.record.spec, name=base_name(asked))
    write_search(folder, base, best, front_of_trials(trials))
