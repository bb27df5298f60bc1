"""Reads a user's own space: every fault of its file is told in one line. Nothing is executed."""

from __future__ import annotations

import difflib
import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from search_spaces.checks import SpecError, check_int, check_name
from search_spaces.codec import stage_from_string
from search_spaces.errors import InputError
from search_spaces.space_file import (
    MOST_BLOCKS,
    OptionTable,
    SkeletonTable,
    SpaceFile,
    StageTable,
)
from search_spaces.spec import SqueezeSpec, StageSpec
from search_spaces.stage_options import OpOptions, StageOptions, combinations

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["space_from_document", "space_from_toml"]

MOST_STAGES = 64
MOST_COMBINATIONS = 20_000  # of one stage's choices: each is counted before anything is drawn
MOST_SHOWN = 60


def space_from_toml(text: str, *, where: str) -> SpaceFile:
    """Reads a space; raises `InputError` naming `where`, the key and what would be right."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not TOML: {error}") from None
    return space_from_document(document, where=where)


def space_from_document(document: Mapping[str, Any], *, where: str) -> SpaceFile:
    """Reads what `SpaceFile.document` returned, or what a TOML file holds."""
    space = _validated(document, where)
    try:
        _check(space)
    except SpecError as error:
        raise InputError(f"{where}: {error}") from None
    return space


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[SpaceFile]:
    from pydantic import TypeAdapter  # noqa: PLC0415 (heavy, and only files need it)

    return TypeAdapter(SpaceFile)


def _validated(document: Mapping[str, Any], where: str) -> SpaceFile:
    from pydantic import ValidationError  # noqa: PLC0415 (heavy, and only files need it)

    try:
        return _adapter().validate_json(json.dumps(document, default=str))
    except SpecError as error:
        raise InputError(f"{where}: {error}") from None
    except ValidationError as error:
        faults = error.errors(include_url=False)
        unknown = [fault for fault in faults if fault["type"] == "unexpected_keyword_argument"]
        first = (unknown or faults)[0]  # a key that is misspelt is missing, too
        place = _place(first["loc"])
        if unknown:
            raise InputError(f"{where}: {_unknown(place, first['loc'])}") from None
        if first["type"] == "missing":
            raise InputError(f"{where}: {place} is missing") from None
        right = _RIGHT.get(first["type"], first["msg"])
        right = right.format(**first.get("ctx", {}))
        raise InputError(f"{where}: {place} is {_shown(first['input'])}; {right}") from None


_RIGHT: Mapping[str, str] = {  # by pydantic's name of the fault
    "literal_error": "it must be {expected}",
    "int_type": "it must be a whole number",
    "float_type": "it must be a number",
    "bool_type": "it must be true or false",
    "string_type": "it must be text in quotes",
    "tuple_type": "it must be a list, as in [3, 5]",
    "dataclass_type": "it must be a table",
}


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def _place(loc: tuple[int | str, ...]) -> str:
    """Writes a place as its reader would: the second [[stage]] is `stage[2]`."""
    parts = ""
    for part in loc:
        parts += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return parts.removeprefix(".") or "the file"


_TABLES: Mapping[str, type] = {
    "skeleton": SkeletonTable,
    "options": OptionTable,
    "stage": StageTable,
    "se": SqueezeSpec,
}


def _unknown(place: str, loc: tuple[int | str, ...]) -> str:
    tables = [part for part in loc[:-1] if isinstance(part, str)]
    known = [f.name for f in fields(_TABLES[tables[-1]] if tables else SpaceFile)]
    near = difflib.get_close_matches(str(loc[-1]), known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"there is no key {place}; {hint}the keys are {', '.join(known)}"


def _check(space: SpaceFile) -> None:
    """Refuses a space that could not be made, or that is too large to be counted."""
    check_name(space.name)
    stages = tuple(_stages(space.skeleton))
    _check_tables(space, len(stages))
    made = space.make(image_size=32, num_classes=10)
    pairs = enumerate(zip(made.options, stages, strict=True), 1)
    blocks = sum(_most_blocks(f"stage {number}", *pair) for number, pair in pairs)
    if blocks > MOST_BLOCKS:
        raise SpecError(f"its deepest network has {blocks} blocks; it may have {MOST_BLOCKS}")


def _check_tables(space: SpaceFile, stages: int) -> None:
    space.options.check("options")
    numbers: list[int] = []
    for place, table in enumerate(space.stage, 1):
        check_int(f"stage[{place}].number", table.number, 1, stages)
        if table.number in numbers:
            raise SpecError(f"stage[{place}].number is {table.number} a second time")
        numbers.append(table.number)
        table.check(f"stage[{place}]")


def _stages(skeleton: SkeletonTable) -> Iterator[StageSpec]:
    if not 1 <= len(skeleton.stages) <= MOST_STAGES:
        raise SpecError(
            f"skeleton.stages has {len(skeleton.stages)} block strings; it must have from 1 to "
            f"{MOST_STAGES}, such as 'ir_r2_k3_s2_e6_c24'"
        )
    for number, text in enumerate(skeleton.stages, 1):
        try:
            yield stage_from_string(text)
        except SpecError as error:
            raise SpecError(f"skeleton.stages[{number}]: {error}") from None


def _most_blocks(where: str, options: StageOptions | OpOptions, stage: StageSpec) -> int:
    size = math.prod(len(values) for values in options.table().values())
    if size > MOST_COMBINATIONS:
        raise SpecError(
            f"{where} has {size:,} combinations of options; it may have {MOST_COMBINATIONS:,}"
        )
    try:
        return max(made.repeats for made in combinations(options, stage) if made)
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from None
