"""What `--space` names, by its name or a TOML file of the user's own; and the space of a run."""

from __future__ import annotations

import difflib
from pathlib import Path

from experiments.config import SearchConfig
from search_spaces.errors import InputError
from search_spaces.measured import MEASURED
from search_spaces.space import SearchSpace
from search_spaces.space_file import SpaceFile
from search_spaces.space_reading import space_from_toml
from search_spaces.spaces import SPACES, make_space

__all__ = ["read_space", "space_of"]

KNOWN = (*SPACES, *MEASURED)


def read_space(asked: str, stored: SearchConfig | None = None) -> str | SpaceFile:
    """Returns a known space's name, or what a file says.

    A run keeps what its file said: where the file is gone, `stored` stands in for it.
    Raises `InputError` for what is neither, with the nearest name.
    """
    path = Path(asked)
    if asked in KNOWN:
        return asked
    if path.is_file():
        return _own(path)
    if stored and stored.definition and asked in (stored.space, stored.space_file):
        return stored.asked_space()
    if path.suffix == ".toml":
        raise InputError(f"{asked}: there is no such file, nor a space of that name")
    near = difflib.get_close_matches(asked, KNOWN, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(
        f"no space is called {asked!r}; {hint}it must be a TOML file or {', '.join(KNOWN)}"
    )


def _own(path: Path) -> SpaceFile:
    try:
        space = space_from_toml(path.read_text(encoding="utf-8"), where=str(path))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not TOML: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if space.name in KNOWN:
        raise InputError(f"{path}: name is {space.name!r}, a known space; choose another name")
    return space


def space_of(config: SearchConfig, *, num_classes: int) -> SearchSpace:
    """Returns the space that a run searches; raises `InputError` for a target out of its reach."""
    space = make_space(
        config.asked_space(),
        image_size=config.resolution,
        num_classes=num_classes,
        resolution=config.resolution,
        width=config.width,
    )
    if config.cost == "macs" and config.target is not None:
        space.check_target(config.target)
    return space
