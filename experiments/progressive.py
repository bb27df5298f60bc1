"""Progressive learning: smaller, weaker regularised images first (arXiv:2104.00298, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.recipes import Recipe
from search_spaces.errors import InputError

__all__ = ["Stage", "make_stages", "rising", "stage_at"]

FEWEST_STEPS = 16  # an epoch, that a stage's larger batch must leave


@dataclass(frozen=True, slots=True)
class Stage:
    """Describes a part of a training: its first epoch, counted from 0, and what holds in it.

    `resolution` is the side of the training inputs in pixels; `batch_size` images make a step, in
    parts of at most `micro_batch`. A `dropout` of None leaves the network's own.
    """

    first_epoch: int
    resolution: int
    magnitude: float
    mixup: float
    dropout: float | None
    batch_size: int
    micro_batch: int


def rising(low: float, high: float, index: int, count: int) -> float:
    """Returns the value of stage `index` of `count` on the line from `low` to `high`.

    S_i = S_0 + (S_e − S_0)·i/(M − 1), algorithm 1 of the paper.
    """
    return high if count == 1 else low + (high - low) * index / (count - 1)


def _pixels(name: str, value: float, resolution: int) -> int:
    """Returns a side in pixels: a share of the network's resolution, or pixels as they are."""
    pixels = round(value * resolution if value <= 1 else value)
    if not 1 <= pixels <= resolution:
        raise InputError(
            f"the recipe is for images of another size: {name} is {value:g} pixels, the network's "
            f"images are {resolution} a side; set it to at most {resolution}, or a share up to 1"
        )
    return pixels


def make_stages(
    recipe: Recipe, *, resolution: int, images: int, dropout: float | None = None
) -> tuple[Stage, ...]:
    """Returns the stages of a training of `images` at a network's `resolution`, one at least.

    `dropout` is the network's own rate, which its last stage has unless the recipe names another.
    Raises `InputError` where the recipe's sizes are not this network's.
    """
    last = _pixels("end_resolution", recipe.end_resolution, resolution)
    first = _pixels("start_resolution", recipe.start_resolution, resolution)
    if first > last:
        raise InputError(
            f"start_resolution is {first} pixels, more than end_resolution's {last}; "
            "images grow from the one to the other"
        )
    count = min(recipe.stages, recipe.epochs)
    return tuple(
        _stage(recipe, index, count, sides=(first, last), images=images, dropout=dropout)
        for index in range(count)
    )


def _stage(
    recipe: Recipe,
    index: int,
    count: int,
    *,
    sides: tuple[int, int],
    images: int,
    dropout: float | None,
) -> Stage:
    side = round(rising(*sides, index, count))
    room = (sides[1] / side) ** 2  # activations, and so memory, go with the pixels
    batch = recipe.batch_size
    if recipe.progressive_batch:
        batch = max(batch, min(int(batch * room), images // FEWEST_STEPS))
    micro = -(-recipe.batch_size // recipe.accumulate)
    return Stage(
        first_epoch=index * recipe.epochs // count,
        resolution=side,
        magnitude=_value(recipe.start_magnitude, recipe.magnitude, index, count),
        mixup=_value(recipe.start_mixup, recipe.mixup, index, count),
        dropout=_dropout(recipe, index, count, dropout),
        batch_size=batch,
        micro_batch=min(batch, int(micro * room)),
    )


def _value(start: float | str, end: float, index: int, count: int) -> float:
    return end if isinstance(start, str) else rising(start, end, index, count)


def _dropout(recipe: Recipe, index: int, count: int, own: float | None) -> float | None:
    end = own if isinstance(recipe.dropout, str) else recipe.dropout
    return None if end is None else _value(recipe.start_dropout, end, index, count)


def stage_at(stages: tuple[Stage, ...], epoch: int) -> Stage:
    """Returns the stage that an epoch, counted from 0, belongs to."""
    return next(stage for stage in reversed(stages) if stage.first_epoch <= epoch)
