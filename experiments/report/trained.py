"""The sections about `nas train`: what it trained and how well, and by which recipe."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from experiments.amounts import format_count, format_seconds
from experiments.recipes import Recipe, load_recipe, recipe_names
from experiments.render import percent
from experiments.report.contents import Contents, Training
from experiments.report.plots import Plots, side_by_side
from experiments.report.tables import MACS_NOTE, paragraph, section, table

__all__ = ["command_again", "recipe_section", "trained_results", "trained_section"]


MOST_CHANGES = 12  # to a shipped recipe, that a sentence lists


def trained_results(contents: Contents) -> list[dict[str, Any]]:
    """Returns what `nas train` trained as rows of a final table, one a checkpoint."""
    return [_result(training) for training in contents.trained]


def _result(training: Training) -> dict[str, Any]:
    metrics = training.info.metrics
    return {
        "name": training.stem,
        "role": "trained",
        "resolution": training.info.spec.resolution,
        "macs": metrics["macs"],
        "params": metrics["params"],
        "test_accuracy": metrics["test_accuracy"],
        "deviation": None,
        "seeds": 1,
        "test_accuracies": [metrics["test_accuracy"]],
        "validation_accuracies": [metrics["validation_accuracy"]],
        "seconds": metrics["seconds"],
        "checkpoint": training.path.name,
    }


def trained_section(contents: Contents, _: Plots) -> str:
    """Lists the networks that `nas train` trained, with their results and costs."""
    if not contents.trained:
        return ""
    columns = {
        "network": "left", "test": "right", "validation": "right", "side": "right",
        "MACs": "right", "params": "right", "epochs": "right", "best epoch": "right",
        "training": "right", "started from": "text",
    }  # fmt: skip
    note = (
        "One training with one seed each: how far another seed would be from it is not known here. "
        "Validation chose the epoch whose weights were kept; the test part was read once, at the "
        f"end. {MACS_NOTE}"
    )
    rows = [_row(training) for training in contents.trained]
    caption = "Accuracies and costs of what was trained"
    return section("trained", "Results", table(caption, columns, rows), paragraph(note))


def _row(training: Training) -> tuple[object, ...]:
    info, metrics = training.info, training.info.metrics
    return (
        training.stem,
        percent(metrics["test_accuracy"]),
        percent(metrics["validation_accuracy"]),
        info.spec.resolution,
        format_count(metrics["macs"]),
        format_count(metrics["params"]),
        metrics["epochs"],
        metrics["best_epoch"],
        format_seconds(metrics["seconds"]),
        f"weights {info.weights}" if info.weights else "random weights",
    )


def _nearest(values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Returns the shipped recipe that shares most values, and those."""
    shipped = {name: load_recipe(name).model_dump() for name in recipe_names()}
    name = min(shipped, key=lambda n: len(_different(values, shipped[n])))
    return name, shipped[name]


def _different(values: Mapping[str, Any], others: Mapping[str, Any]) -> list[str]:
    return [key for key, value in values.items() if others[key] != value]


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else _exact(value)


def _exact(value: object) -> str:
    """Writes a value as `--set` reads it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def recipe_section(contents: Contents, _: Plots) -> str:
    """Lists every value of the recipe, beside those of the nearest one that ships with the tool."""
    if not (contents.curves or contents.trained):
        return ""
    values = contents.config.recipe.model_dump()
    name, shipped = _nearest(values)
    changed = _different(values, shipped)
    keys = list(values)
    half = -(-len(keys) // 2)
    parts = [
        _recipe_table(contents.config.recipe, shipped, name, part)
        for part in (keys[:half], keys[half:])
    ]
    but = f" but for {', '.join(changed)} (marked)" if changed else ""
    text = (
        f"As the shipped recipe {name}{but}."
        if len(changed) < MOST_CHANGES
        else f"Beside the shipped recipe {name}, which is nearest; what differs is marked."
    )
    if contents.config.search:
        text += (
            " Evaluations of the search and the grid train with it too, for epochs of their own."
        )
    return section("recipe", "The recipe", paragraph(text), side_by_side(*parts))


def _recipe_table(recipe: Recipe, shipped: Mapping[str, Any], name: str, keys: list[str]) -> str:
    values = recipe.model_dump()
    rows = [(key, _text(values[key]), _text(shipped[key])) for key in keys]
    marked = [i for i, key in enumerate(keys) if values[key] != shipped[key]]
    caption = f"Recipe values, {keys[0]} to {keys[-1]}"
    columns = {"value of": "left", "here": "right", f"in {name}": "right"}
    return table(caption, columns, rows, marked=marked)


def command_again(contents: Contents) -> str:
    """Writes the command that does a training again from this folder's checkpoint and values.

    It names no recipe of the user's and no spec file, which may have changed; "" where what
    `nas train` was asked last is not there.
    """
    training, asked = contents.last_trained, contents.config.training
    if training is None or asked is None or training.stem != contents.asked_name:
        return ""
    values, data = contents.config.recipe.model_dump(), contents.config.data
    name, shipped = _nearest(values)
    words = ["nas", "train", str(training.path), "--data", data.source]
    words += ["--limit", str(data.limit)] if data.limit is not None else []
    words += ["--image-size", str(data.image_size), "--recipe", name]
    for key in _different(values, shipped):
        words += ["--set", f"{key}={_exact(values[key])}"]
    words += ["--weights", asked.weights] if asked.weights else []
    words += ["--seed", str(contents.config.seed), "--out", f"{training.path.parent}-again"]
    return shlex.join(words)
