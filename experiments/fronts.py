"""A front that was searched for, as its run folder keeps it and as `--json` prints it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.config import SearchConfig
from experiments.goals import front_of
from experiments.store import RunFolder
from nas.confirmation import Confirmed
from nas.front import Front
from nas.trials import TrialRecord
from search_spaces.codec import spec_to_json

__all__ = [
    "believed_front",
    "front_document",
    "front_entries",
    "measured_points",
    "to_confirm",
]

Point = tuple[float, float]


def believed_front(
    front: Front, trials: Sequence[TrialRecord], expected: Mapping[int, float]
) -> list[tuple[TrialRecord, float]]:
    """Returns the front of the networks that were trained, with accuracies, cheapest first.

    These are what the sampler's model expects of trials by number, where it has one: the highest
    of many measurements are partly luck.
    """
    first = [t for t in trials if t.evaluation is not None and t.duplicate_of is None]
    pairs = [
        (trial, expected.get(trial.number, trial.evaluation.accuracy))
        for trial in first
        if trial.evaluation is not None
    ]
    return front.of(pairs, lambda pair: (pair[1], pair[0].costs[front.cost]))


def to_confirm(
    front: Front, found: Sequence[tuple[TrialRecord, float]], count: int
) -> list[TrialRecord]:
    """Returns the networks of a front to be trained again: first what would be the base.

    Then those whose loss would cost the front the most hypervolume.
    """
    shares = front.contributions(found, lambda pair: (pair[1], pair[0].costs[front.cost]))
    rewards = [front.reward(accuracy, trial.costs) for trial, accuracy in found]
    base = rewards.index(max(rewards))
    order = sorted(range(len(found)), key=lambda i: (i != base, -shares[i]))
    return [found[i][0] for i in order[:count]]


def front_entries(
    folder: RunFolder,
    front: Front,
    found: Sequence[tuple[TrialRecord, float]],
    confirmed: Sequence[Confirmed],
) -> list[dict[str, Any]]:
    """Returns what front.json says of each network; writes a file with each one's spec."""
    room = folder.front_specs_path
    again = {each.record.number: each for each in confirmed}
    entries = []
    for trial, accuracy in found:
        path = room / f"{trial.spec.name}.json"
        document = json.loads(spec_to_json(trial.spec))
        folder.write_json(path, document)
        entries.append(_entry(trial, accuracy, again.get(trial.number), path, folder) | document)
    kept = {entry["path"] for entry in entries}
    for path in room.glob("*.json"):
        if str(path.relative_to(folder.path)) not in kept:
            path.unlink()
    return entries


def _entry(
    trial: TrialRecord, believed: float, again: Confirmed | None, path: Path, folder: RunFolder
) -> dict[str, Any]:
    assert trial.evaluation is not None
    entry: dict[str, Any] = {
        "trial": trial.number,
        "fingerprint": trial.fingerprint,
        "accuracy": trial.evaluation.accuracy,
        "believed": believed,
        **trial.costs,
        "reward": trial.reward,
        "path": str(path.relative_to(folder.path)),
    }
    if again is not None and len(again.evaluations) > 1:
        accuracies = [evaluation.accuracy for evaluation in again.evaluations[1:]]
        deviation = statistics.stdev(accuracies) if len(accuracies) > 1 else None
        entry["confirmed"] = {
            "accuracy": statistics.fmean(accuracies), "deviation": deviation, "n": len(accuracies)
        }  # fmt: skip
    return entry


def measured_points(path: Path, cost: str) -> list[Point]:
    """Reads accuracies and costs of the networks that were trained, in order, from a table."""
    import pandas as pd  # noqa: PLC0415 (heavy, and only tables need it)

    rows = pd.read_parquet(path)
    trained = rows[rows["accuracy"].notna() & rows["duplicate_of"].isna()] if len(rows) else rows
    return [(float(a), float(c)) for a, c in zip(trained["accuracy"], trained[cost], strict=True)]


def front_document(folder: RunFolder, asked: SearchConfig | None) -> dict[str, Any]:
    """Returns the hypervolume of what was measured with its reference point; {} for no front.

    `believed_hypervolume` is that of front.json, by the accuracies that are believed there.
    """
    front = front_of(asked)
    if front is None:
        return {}
    entries = json.loads(folder.front_path.read_text())
    believed = [(entry["believed"], entry[front.cost]) for entry in entries]
    measured = measured_points(folder.trials_path, front.cost)
    return {
        "hypervolume": front.hypervolume(measured, _itself),
        "believed_hypervolume": front.hypervolume(believed, _itself),
        "reference": {"accuracy": 0.0, front.cost: front.span.high},
        "range": [front.span.low, front.span.high],
    }


def _itself(point: Point) -> Point:
    return point
