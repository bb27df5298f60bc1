"""What `nas search --evaluator` is asked where accuracies are predicted: read, checked, refused."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

import typer

from experiments.amounts import parse_count
from experiments.imagenet.files import SHIPPED, Loaded, load_predictor
from experiments.opening import given
from nas.objective import FRONT, Objective, is_plugin
from search_spaces.errors import InputError

__all__ = ["PREDICTED", "Asked", "asked_of", "refuse_others"]

PREDICTED = "imagenet"
NEEDED = ("evaluator", "target_macs", "space", "resolution", "objective", "exponent", "trials")
ALLOWED = frozenset((*NEEDED, "out", "json"))


@dataclass(frozen=True, slots=True)
class Asked:
    """Holds what is asked: a predictor, a reward, how many of the best networks."""

    evaluator: str
    loaded: Loaded
    objective: Objective
    count: int


def refuse_others(context: typer.Context, evaluator: str) -> None:
    """Raises `InputError` for an option that was given and that no prediction heeds."""
    for parameter in context.command.params:
        if parameter.name and parameter.name not in ALLOWED and given(context, parameter.name):
            raise InputError(
                f"--evaluator {evaluator} predicts accuracies and trains nothing; "
                f"leave {parameter.opts[0]} out"
            )


def asked_of(
    context: typer.Context,
    evaluator: str,
    target_macs: str | None,
    *,
    space: str,
    resolution: int | None,
    objective: str,
    exponent: float | None,
    trials: int,
) -> Asked:
    """Returns what is asked of a predictor; raises `InputError` for what it cannot answer."""
    refuse_others(context, evaluator)
    if target_macs is None:
        raise InputError("Missing option '--target-macs'")
    if objective in ("v2", FRONT) or is_plugin(objective):
        raise InputError(
            f"--evaluator {evaluator} weighs MACs by --objective soft or hard, not {objective}"
        )
    target = parse_count(target_macs, what="--target-macs")
    reward = Objective(objective, target, exponent)
    loaded = load_predictor(_path(evaluator))
    searched = loaded.predictor.space
    if given(context, "space") and space != searched.name:
        raise InputError(
            f"--evaluator {evaluator} knows the networks of space {searched.name} only, "
            f"not of {space}; leave --space out"
        )
    side = searched.skeleton.resolution
    if resolution not in (None, side):
        raise InputError(
            f"--evaluator {evaluator} knows networks at {side}×{side} pixels only, not at "
            f"{resolution}; leave --resolution out"
        )
    low, high = searched.macs_range
    if not low <= target <= high:
        raise InputError(
            f"--target-macs {target_macs}: the networks that --evaluator {evaluator} knows have "
            f"{low / 1e6:.4g}M to {high / 1e6:.4g}M MACs"
        )
    return Asked(evaluator, loaded, reward, trials)


def _path(evaluator: str) -> Path:
    """Returns the file of a predictor: the one that ships, or the user's own."""
    if evaluator == PREDICTED:
        return SHIPPED
    if evaluator.endswith(".safetensors"):
        return Path(evaluator)
    near = difflib.get_close_matches(evaluator, ("training", PREDICTED), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(
        f"no evaluator is called {evaluator!r}; {hint}it must be training, {PREDICTED}, or a "
        "predictor's .safetensors file"
    )
