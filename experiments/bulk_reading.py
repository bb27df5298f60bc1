"""Reads trials from a database by a few queries of a row a trial, where Optuna's reading is slow.

Optuna makes an object of every parameter and attribute and reads the JSON of every distribution
twice, hundreds of thousands of times for 20,000 trials, though few of them differ. Here the
database joins what belongs to a trial into one text, and what texts have in common is read once.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages import RDBStorage
from optuna.storages._rdb import models as m
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, TrialState

__all__ = ["BulkStorage"]

JOINS = ("sqlite", "postgresql")  # databases that join texts of any length
MANY = 500  # identities in one query that every database takes
APART = "\x1f"


class BulkStorage(RDBStorage):
    """Does what Optuna's own does, and reads many trials at once in another way."""

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        again = {each for each in included_trial_ids if each <= trial_id_greater_than}
        if self.engine.name not in JOINS or len(again) > MANY:
            return super()._get_trials(study_id, states, again, trial_id_greater_than)
        with self.engine.connect() as connection:
            found = _Reader(connection, study_id).trials(trial_id_greater_than, again)
        if not found:  # of a study that is gone, this raises
            self.get_study_name_from_id(study_id)
        return [trial for trial in found if states is None or trial.state in states]

    def is_any_waiting(self, study_id: int) -> bool:
        """Tells whether a study has a trial that was queued and not begun."""
        t = m.TrialModel
        mine = sa.select(t.trial_id).where(t.study_id == study_id, t.state == TrialState.WAITING)
        with self.engine.connect() as connection:
            return connection.execute(mine.limit(1)).first() is not None

    def add_params(self, trial_id: int, rows: list[m.TrialParamModel]) -> None:
        """Writes parameters of a running trial in one transaction; those written before stay."""
        with _create_scoped_session(self.scoped_session, ignore_integrity_error=True) as session:
            trial = m.TrialModel.find_or_raise_by_id(trial_id, session)
            self.check_trial_is_updatable(trial_id, trial.state)  # type: ignore[arg-type]
            session.add_all(rows)


class _Reader:
    """Reads trials of a study, all as they are at one moment."""

    def __init__(self, connection: sa.Connection, study: int) -> None:
        self.connection, self.study = connection, study
        self.chosen: Any = ()  # what holds the trials of which all else is read
        if connection.dialect.name == "postgresql":  # SQLite's reading is all of one moment anyhow
            connection.execution_options(isolation_level="REPEATABLE READ")

    def trials(self, after: int, again: Iterable[int]) -> list[FrozenTrial]:
        """Returns those that were made after one, and some before, in the order of their making."""
        heads = self._heads(after, again)
        if not heads:
            return []
        keys = [head[0] for head in heads]
        t = m.TrialModel
        later = sa.select(t.trial_id).where(t.study_id == self.study, t.trial_id >= keys[0])
        self.chosen = keys if len(keys) <= MANY else later
        params, values, steps = self._params(), self._values(), self._steps()
        user = self._attributes(m.TrialUserAttributeModel)
        system = self._attributes(m.TrialSystemAttributeModel)
        return [
            FrozenTrial(
                number=number, state=state, value=None, values=values.get(key),
                datetime_start=_local(start), datetime_complete=_local(end),
                params=params.get(key, ({}, {}))[0], distributions=params.get(key, ({}, {}))[1],
                user_attrs=user.get(key, {}), system_attrs=system.get(key, {}),
                intermediate_values=steps.get(key, {}), trial_id=key,
            )
            for key, number, state, start, end in heads
        ]  # fmt: skip

    def _heads(self, after: int, again: Iterable[int]) -> list[Any]:
        """Asks twice: a database finds either by an index, and both together by none."""
        t = m.TrialModel
        columns = t.trial_id, t.number, t.state, t._datetime_start_utc, t._datetime_complete_utc
        mine = sa.select(*columns).where(t.study_id == self.study)
        asked = [mine.where(t.trial_id.in_(again))] if again else []
        asked.append(mine.where(t.trial_id > after))
        found = [row for each in asked for row in self.connection.execute(each)]
        return sorted(found, key=itemgetter(0))

    def _rows(self, model: Any, *columns: Any) -> Iterable[Any]:
        asked = sa.select(model.trial_id, *columns).where(model.trial_id.in_(self.chosen))
        return self.connection.execute(asked)

    def _joined(self, model: Any, *columns: Any) -> Iterable[Any]:
        """Reads a row a trial: the texts of each column, joined, all in the same order."""
        texts = (sa.func.aggregate_strings(each, APART) for each in columns)
        asked = sa.select(model.trial_id, *texts).where(model.trial_id.in_(self.chosen))
        return self.connection.execute(asked.group_by(model.trial_id))

    def _params(self) -> dict[int, tuple[dict[str, Any], dict[str, BaseDistribution]]]:
        p = m.TrialParamModel
        exact = _exact(self.connection.dialect.name, p.param_value)
        found = {}
        kinds: dict[tuple[str, str], _Params] = {}
        rows = self._joined(p, p.param_name, exact, p.distribution_json)
        for key, names, values, texts in rows:
            kind = kinds.get((names, texts))
            if kind is None:
                kind = kinds[names, texts] = _Params(names, texts, self._order(key))
            found[key] = kind.read(values), kind.distributions
        return found

    def _order(self, trial: int) -> dict[str, int]:
        """Returns the places of a trial's parameters in the order in which they were suggested."""
        p = m.TrialParamModel
        asked = sa.select(p.param_name).where(p.trial_id == trial).order_by(p.param_id)
        names = self.connection.execute(asked).scalars()
        return {name: place for place, name in enumerate(names)}

    def _values(self) -> dict[int, list[float]]:
        v = m.TrialValueModel
        found: dict[int, dict[int, float]] = {}
        for key, place, value, kind in self._rows(v, v.objective, v.value, v.value_type):
            found.setdefault(key, {})[place] = v.stored_repr_to_value(value, kind)
        return {key: [each[place] for place in sorted(each)] for key, each in found.items()}

    def _steps(self) -> dict[int, dict[int, float]]:
        s = m.TrialIntermediateValueModel
        found: dict[int, dict[int, float]] = {}
        columns = s.step, s.intermediate_value, s.intermediate_value_type
        for key, step, value, kind in self._rows(s, *columns):
            found.setdefault(key, {})[step] = s.stored_repr_to_intermediate_value(value, kind)
        return found

    def _attributes(self, model: Any) -> dict[int, dict[str, Any]]:
        return {
            key: dict(zip(names.split(APART), json.loads(f"[{_listed(texts)}]"), strict=True))
            for key, names, texts in self._joined(model, model.key, model.value_json)
        }


def _listed(texts: str) -> str:
    """Joins JSON values, in whose texts no control character can stand, by commas."""
    return texts.replace(APART, ",")


def _exact(dialect: str, value: Any) -> Any:
    """Returns an expression for a number as a text that says it exactly."""
    if dialect == "postgresql":
        return sa.cast(value, sa.Text)
    whole = sa.cast(value, sa.Integer)
    return sa.case((value == whole, sa.cast(whole, sa.Text)), else_=sa.func.printf("%!.17g", value))


class _Table(dict[str, Any]):
    """Remembers what the texts of numbers mean to a distribution."""

    def __init__(self, distribution: BaseDistribution) -> None:
        super().__init__()
        self.distribution = distribution

    def __missing__(self, text: str) -> Any:
        found = self.distribution.to_external_repr(float(text))
        if hasattr(self.distribution, "choices"):  # of others there may be as many as trials
            self[text] = found
        return found


class _Params:
    """Reads the parameters of trials that have the same names and distributions."""

    def __init__(self, names: str, texts: str, order: Mapping[str, int]) -> None:
        listed = names.split(APART)
        known = dict(zip(listed, map(json_to_distribution, texts.split(APART)), strict=True))
        ordered = sorted(known, key=order.__getitem__)
        self.distributions = {name: known[name] for name in ordered}
        self.columns = [
            (name, listed.index(name), _Table(each)) for name, each in self.distributions.items()
        ]

    def read(self, values: str) -> dict[str, Any]:
        """Returns the values by name, from their texts in the order of the names."""
        found = values.split(APART)
        return {name: table[found[place]] for name, place, table in self.columns}


@lru_cache(maxsize=4096)
def _local(moment: datetime | None) -> datetime | None:
    """Returns a moment in this machine's zone, as Optuna tells it."""
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
