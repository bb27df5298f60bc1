"""Training recipes: TOML files that ship with the package, or the user's own."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from experiments.recipes.recipe import Recipe
from search_spaces.errors import InputError

__all__ = ["Recipe", "load_recipe", "parse_overrides", "recipe_names"]


def recipe_names() -> tuple[str, ...]:
    """Lists the recipes that ship with the package."""
    files = resources.files(__package__).iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


def load_recipe(name: str | Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Reads a shipped recipe by name, or a TOML file by path, and replaces single values.

    Raises `InputError` for an unknown recipe, an unknown key (with the nearest known one) or a
    value outside its range.
    """
    values = {**_read(name), **(overrides or {})}
    for key in values:
        if key not in Recipe.model_fields:
            near = difflib.get_close_matches(key, Recipe.model_fields, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(f"recipe {name}: there is no {key!r}{hint}")
    try:
        return Recipe(**values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = "".join(f"{part}: " for part in first["loc"][:1])
        text = first["msg"].removeprefix("Value error, ")
        raise InputError(f"recipe {name}: {place}{text}") from None


def _read(name: str | Path) -> dict[str, Any]:
    if str(name) in recipe_names():
        file: Traversable = resources.files(__package__).joinpath(f"{name}.toml")
    elif Path(name).is_file():
        file = Path(name)
    else:
        known = ", ".join(recipe_names())
        raise InputError(f"no recipe is called {str(name)!r}; it must be a TOML file or {known}")
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"recipe {name}: not TOML: {error}") from None


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """Reads `lr=0.1` pairs, the values as TOML; raises `InputError` for what is no pair."""
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not (key and equals and text):
            raise InputError(f"--set {pair!r}: write it as lr=0.1")
        try:
            values[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[key.strip()] = text.strip()  # a bare word, as in optimizer=adamw
    return values
