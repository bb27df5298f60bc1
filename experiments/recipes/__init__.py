"""Training recipes: TOML files that ship with the package, or the user's own."""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from search_spaces.errors import InputError

__all__ = ["Recipe", "load_recipe", "parse_overrides", "recipe_names"]


class Recipe(BaseModel):
    """Says how a network is trained.

    `lr` is the peak for one batch of `batch_size`; `warmup` the share of steps in which it rises
    to the peak before it falls to zero along a cosine. `shift` is the largest random translation
    as a share of the image side. `patience` is the number of epochs without a better validation
    accuracy after which training stops (0: train to the end and validate once).
    `bn_momentum` replaces the network's own (PyTorch's sense), since short trainings need a
    faster average; 0 keeps it. `zero_init_residual` starts every residual block as the identity,
    its last BatchNorm at zero (Goyal et al. 2017, arXiv:1706.02677, section 5.1): deep, thin
    networks start to learn epochs earlier.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(ge=1, le=100_000)
    batch_size: int = Field(ge=2, le=65_536)
    optimizer: Literal["sgd", "adamw"]
    lr: float = Field(gt=0, lt=1e3)
    momentum: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0, lt=10)
    warmup: float = Field(ge=0, le=1)
    label_smoothing: float = Field(ge=0, lt=1)
    bn_momentum: float = Field(ge=0, le=1)
    zero_init_residual: bool
    shift: float = Field(ge=0, le=0.5)
    flip: Literal["auto", "always", "never"]
    patience: int = Field(ge=0)

    @property
    def digest(self) -> str:
        """Names the recipe's values in 12 hexadecimal digits."""
        text = json.dumps(self.model_dump(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


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
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"recipe {name}: {place}: {first['msg']}") from None


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
