"""One sentence that says what a run found, with its numbers."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from experiments.aim_texts import aim_text
from experiments.amounts import format_count
from experiments.report.contents import Contents, Training
from experiments.report.tables import accuracy_text, plural
from search_spaces.cost import cost

__all__ = ["headline"]


def headline(contents: Contents) -> str:
    """Says data, target and what was found: by its test accuracy, or what there is so far."""
    return f"{_asked(contents)} {_found(contents)}."


def _found(contents: Contents) -> str:
    base, training = contents.result("base"), contents.last_trained
    if base:
        return _tested(contents, base[0])
    if contents.base is None and training is not None:
        return _trained(training)
    return _searched(contents)


def _trained(training: Training) -> str:
    metrics = training.info.metrics
    return (
        f"{training.stem} ({format_count(metrics['macs'])} MACs, "
        f"{format_count(metrics['params'])} parameters) was trained for "
        f"{plural(metrics['epochs'], 'epoch')}: a test accuracy of "
        f"{accuracy_text(metrics['test_accuracy'], None)}, and of "
        f"{accuracy_text(metrics['validation_accuracy'], None)} in validation at epoch "
        f"{metrics['best_epoch']}"
    )


def _asked(contents: Contents) -> str:
    data, search = contents.config.data, contents.config.search
    parts = f"{data.train:,} training, {data.validation:,} validation and {data.test:,} test images"
    target = f" with {aim_text(search)}" if search else ""
    return f"On {data.source} ({parts}, {len(data.classes)} classes){target},"


def _tested(contents: Contents, base: Mapping[str, Any]) -> str:
    against = [_against(base, other) for other in contents.result("baseline")]
    seeds = plural(base["seeds"], "seed")
    accuracy = accuracy_text(base["test_accuracy"], base["deviation"])
    return (
        f"the search found {base['name']}: {format_count(base['macs'])} MACs, "
        f"{format_count(base['params'])} parameters and a test accuracy of {accuracy} over {seeds}"
        + (f", {' and '.join(against)}" if against else "")
    )


def _against(base: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    gap = base["test_accuracy"] - other["test_accuracy"]
    noise = max(base["deviation"] or 0, other["deviation"] or 0)
    side = "above" if gap >= 0 else "below"
    doubt = ", less than the deviation over seeds" if abs(gap) < noise else ""
    return (
        f"{abs(gap) * 100:.2f} points {side} {other['name']} "
        f"({accuracy_text(other['test_accuracy'], other['deviation'])} over "
        f"{plural(other['seeds'], 'seed')}, {format_count(other['macs'])} MACs{doubt})"
    )


def _searched(contents: Contents) -> str:
    spec = contents.base
    if spec is None:
        return "nothing has been chosen yet"
    counted = cost(spec)
    text = f"the search found {spec.name}: {format_count(counted.macs)} MACs"
    found = [entry["accuracy"] for entry in contents.choice.get("evaluations", [])]
    if not found:
        return text
    deviation = statistics.stdev(found) if len(found) > 1 else None
    accuracy = accuracy_text(statistics.fmean(found), deviation)
    times = plural(len(found), "short training")
    return f"{text} and a validation accuracy of {accuracy} over {times}"
