"""What a member of a family trains with: its spec and recipe, regularised more the larger it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from scaling.growth import Regularisation, grown
from search_spaces.spec import ArchSpec

if TYPE_CHECKING:
    from experiments.recipes import Recipe

__all__ = ["member_rates", "member_training"]


def _base_rates(spec: ArchSpec, base_dropout: float, recipe: Recipe) -> Regularisation:
    """Returns what the base trains with; recipes without RandAugment have nothing to grow there."""
    augments = recipe.rand_augment > 0
    return Regularisation(
        dropout=base_dropout if isinstance(recipe.dropout, str) else recipe.dropout,
        drop_path=spec.drop_path if isinstance(recipe.drop_path, str) else recipe.drop_path,
        magnitude=recipe.magnitude if augments else None,
        mixup=recipe.mixup if augments else None,
    )


def member_rates(
    spec: ArchSpec, phi: float, recipe: Recipe, *, base_dropout: float
) -> Regularisation:
    """Returns what the member at φ trains with under a recipe; its spec names its own dropout."""
    own = _base_rates(spec, base_dropout, recipe)
    if not recipe.grow:
        return own
    rates = grown(own, phi)
    return replace(rates, dropout=spec.dropout) if isinstance(recipe.dropout, str) else rates


def member_training(
    spec: ArchSpec, phi: float, recipe: Recipe, *, base_dropout: float
) -> tuple[ArchSpec, Recipe]:
    """Returns a member's spec and recipe for its training; φ = 0 trains as the recipe says.

    `base_dropout` is the base's own rate (`base_dropout` in family.json), with which every member
    trains where the recipe says `grow = false`.
    """
    if phi == 0:
        return spec, recipe
    if not recipe.grow:
        return replace(spec, dropout=base_dropout), recipe
    rates = member_rates(spec, phi, recipe, base_dropout=base_dropout)
    changed: dict[str, Any] = {}
    if not isinstance(recipe.dropout, str):
        changed["dropout"] = rates.dropout
    if rates.magnitude is not None:
        changed |= {"magnitude": rates.magnitude, "mixup": rates.mixup}
    return spec, recipe.model_copy(update=changed)
