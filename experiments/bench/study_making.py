"""A study as a long search leaves it: made-up accuracies of networks drawn at random."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import optuna
import sqlalchemy as sa
from optuna.distributions import CategoricalDistribution, distribution_to_json
from optuna.storages._rdb import models as m
from optuna.study import Study
from optuna.trial import TrialState

from nas.costs import COUNTED, Costing
from nas.evaluation import Evaluation
from nas.objective import Objective
from search_spaces.codec import fingerprint

__all__ = ["drop_study", "fill_study"]

CHUNK = 500  # trials in a transaction
LEAST, MOST, NOISE = 0.5, 0.95, 0.005  # accuracies that are made up
Rows = list[dict[str, Any]]


def fill_study(
    study: Study, engine: sa.Engine, costing: Costing, objective: Objective, *, trials: int
) -> None:
    """Writes finished trials into a study that has none, thousands a second.

    Accuracy grows with the logarithm of MACs, and each option of a choice has an effect of its own.
    """
    rng = np.random.default_rng(0)
    encoded = costing.space.sample_encoded(rng, trials)
    effects = [rng.normal(0, 0.01, len(c.options)) for c in costing.space.choices]
    logs = np.log(costing.encoded(encoded, "macs")[:, 0])
    base = LEAST + (MOST - LEAST) * (logs - logs.min()) / np.ptp(logs) * 0.9
    own = sum(effect[encoded[:, i]] for i, effect in enumerate(effects))
    accuracies = np.clip(base + own + rng.normal(0, NOISE, trials), 0, 1)
    for start in range(0, trials, CHUNK):
        part = slice(start, start + CHUNK)
        with engine.begin() as connection:
            _write(
                connection,
                study._study_id,
                costing,
                objective,
                start,
                encoded[part],
                accuracies[part],
            )
    with engine.begin() as connection:  # as a server does by itself some time after many rows
        connection.execute(sa.text("ANALYZE"))


def _write(
    connection: sa.Connection,
    study: int,
    costing: Costing,
    objective: Objective,
    first: int,
    encoded: np.ndarray,
    accuracies: np.ndarray,
) -> None:
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    heads = [
        {"study_id": study, "number": first + i, "state": TrialState.COMPLETE,
         "datetime_start": now, "datetime_complete": now}
        for i in range(len(encoded))
    ]  # fmt: skip
    table = m.TrialModel.__table__
    connection.execute(sa.insert(table), heads)
    asked = sa.select(table.c.trial_id).where(table.c.study_id == study, table.c.number >= first)
    keys = connection.execute(asked.order_by(table.c.number)).scalars().all()
    params = [
        {
            "trial_id": key,
            "param_name": choice.name,
            "param_value": float(index),
            "distribution_json": text,
        }
        for key, row in zip(keys, encoded.tolist(), strict=True)
        for choice, index, text in zip(costing.space.choices, row, _texts(costing), strict=True)
    ]
    connection.execute(sa.insert(m.TrialParamModel.__table__), params)
    values, attributes = _results(keys, costing, objective, encoded, accuracies)
    connection.execute(sa.insert(m.TrialValueModel.__table__), values)
    connection.execute(sa.insert(m.TrialUserAttributeModel.__table__), attributes)


def _texts(costing: Costing) -> list[str]:
    return [distribution_to_json(CategoricalDistribution(c.options)) for c in costing.space.choices]


def _results(
    keys: Sequence[int],
    costing: Costing,
    objective: Objective,
    encoded: np.ndarray,
    accuracies: np.ndarray,
) -> tuple[Rows, Rows]:
    counted = costing.encoded(encoded, *COUNTED).tolist()
    values, attributes = [], []
    specs = costing.space.decode_many(encoded)
    for key, spec, amounts, accuracy in zip(keys, specs, counted, accuracies.tolist(), strict=True):
        costs = dict(zip(COUNTED, map(int, amounts), strict=True))
        reward = objective.reward(accuracy, costs)
        evaluation = Evaluation(accuracy, costs["macs"], costs["params"], 20.0, seed=0, epochs=3)
        told = {
            "fingerprint": fingerprint(spec),
            "costs": costs,
            "evaluation": asdict(evaluation),
            "reward": reward,
        }
        values.append(
            {
                "trial_id": key,
                "objective": 0,
                "value": reward,
                "value_type": m.TrialValueModel.TrialValueType.FINITE,
            }
        )
        attributes += [
            {"trial_id": key, "key": k, "value_json": json.dumps(v)} for k, v in told.items()
        ]
    return values, attributes


def drop_study(study: Study, engine: sa.Engine) -> None:
    """Removes a study with all its trials, where Optuna would read every one of them first."""
    trials = sa.select(m.TrialModel.trial_id).where(m.TrialModel.study_id == study._study_id)
    parts = (
        m.TrialParamModel, m.TrialValueModel, m.TrialIntermediateValueModel,
        m.TrialUserAttributeModel, m.TrialSystemAttributeModel, m.TrialHeartbeatModel,
    )  # fmt: skip
    with engine.begin() as connection:
        for part in parts:
            connection.execute(sa.delete(part).where(part.trial_id.in_(trials)))
        connection.execute(sa.delete(m.TrialModel).where(m.TrialModel.study_id == study._study_id))
    optuna.delete_study(study_name=study.study_name, storage=study._storage)
