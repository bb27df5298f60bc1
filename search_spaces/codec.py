"""Specs as JSON and as timm's block strings, and the fingerprint that tells networks apart."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from search_spaces.layers import block_layers, classifier_layer, head_layer, stem_layer
from search_spaces.spec import ArchSpec, BlockKind, Skip, SpecError, StageSpec

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = [
    "FORMAT",
    "VERSION",
    "fingerprint",
    "spec_from_json",
    "spec_to_json",
    "stage_from_string",
    "stage_to_string",
    "stages_from_strings",
]

FORMAT = "compound-nas/arch"
VERSION = 1
_BEYOND_LAYERS = ("resolution", "bn_eps", "bn_momentum", "dropout", "drop_path")


def spec_to_json(spec: ArchSpec) -> str:
    """Writes a spec as an indented JSON document that names its format and version."""
    document = {"format": FORMAT, "version": VERSION, "arch": asdict(spec)}
    return json.dumps(document, indent=2) + "\n"


def spec_from_json(text: str, *, where: str = "spec") -> ArchSpec:
    """Reads a spec; raises `SpecError` naming `where`, the field and what would be right."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise SpecError(f"{where}: not JSON (line {error.lineno}: {error.msg})") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, or such a nesting
        raise SpecError(f"{where}: not JSON that an architecture could have") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise SpecError(f"{where}: not an architecture; its format must be {FORMAT!r}")
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise SpecError(f"{where}: version is {version!r}; it must be a whole number from 1")
    if version > VERSION:
        raise SpecError(
            f"{where}: version {version} is newer than {VERSION}, the newest known; "
            "update compound-nas"
        )
    return _validated(document.get("arch"), where)


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[ArchSpec]:
    from pydantic import TypeAdapter  # noqa: PLC0415 (heavy, and only files need it)

    return TypeAdapter(ArchSpec)


def _validated(arch: Any, where: str) -> ArchSpec:
    from pydantic import ValidationError  # noqa: PLC0415 (heavy, and only files need it)

    try:
        return _adapter().validate_json(json.dumps(arch))
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "arch"
        message = first["msg"].removeprefix("Value error, ")
        raise SpecError(f"{where}: {place}: {message}") from None


_BLOCK_TYPES: dict[str, BlockKind] = {"ir": "mbconv", "ds": "mbconv", "er": "fused", "cn": "fused"}
_PART = re.compile(r"(se|[rksec])(\d+(?:\.\d+)?)")


def _number(value: float) -> str:
    # Every digit, and no exponent: what is read back must be the same stage.
    return str(int(value)) if float(value).is_integer() else format(Decimal(repr(value)), "f")


def stage_to_string(stage: StageSpec) -> str:
    """Writes a stage as timm does: `ir_r2_k5_s2_e6_c40_se0.25`."""
    plain_conv = stage.kind == "fused" and stage.expand == 1
    code = {"mbconv": "ir", "fused": "er"}[stage.kind]
    code = "cn" if plain_conv else "ds" if code == "ir" and stage.expand == 1 else code
    parts = [code, f"r{stage.repeats}", f"k{stage.kernel}", f"s{stage.stride}"]
    parts += [f"e{_number(stage.expand)}", f"c{stage.out_ch}"]
    parts += [f"se{_number(stage.se_ratio)}"] if stage.se_ratio else []
    if plain_conv:  # a timm convolution has no skip unless it says so
        parts += ["skip"] if stage.skip == "identity" else []
    elif stage.skip == "none":
        parts.append("noskip")
    return "_".join(parts)


def stage_from_string(text: str) -> StageSpec:
    """Reads one block string; raises `SpecError` naming the part that it cannot express."""
    code, *parts = text.split("_")
    if code not in _BLOCK_TYPES:
        known = ", ".join(_BLOCK_TYPES)
        raise SpecError(f"block {text!r}: type {code!r} is not known; the types are {known}")
    values: dict[str, str] = {}
    skip: Skip = "none" if code == "cn" else "identity"
    for part in parts:
        if part in ("skip", "noskip"):
            skip = "identity" if part == "skip" else "none"
        elif match := _PART.fullmatch(part):
            values[match[1]] = match[2]
        else:
            raise SpecError(f"block {text!r}: {part!r} cannot be expressed")
    try:
        return StageSpec(
            kind=_BLOCK_TYPES[code],
            kernel=int(values["k"]),
            stride=int(values["s"]),
            expand=_as_number(values.get("e", "1")),
            out_ch=int(values["c"]),
            repeats=int(values["r"]),
            se_ratio=_as_number(values.get("se", "0")),
            skip=skip,
        )
    except KeyError as error:
        raise SpecError(f"block {text!r}: {error.args[0]!r} is missing") from None
    except ValueError as error:
        raise SpecError(f"block {text!r}: {error}") from None


def _as_number(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() else value


def stages_from_strings(text: str) -> tuple[StageSpec, ...]:
    """Reads block strings parted by white space."""
    return tuple(stage_from_string(part) for part in text.split())


def fingerprint(spec: ArchSpec) -> str:
    """Names the network that a spec builds, in 16 hexadecimal digits.

    Two specs have the same fingerprint when they build the same network at the same resolution,
    however it is split into stages and whatever it is called: it is taken over the layers.
    """
    chains = [
        [block.has_residual, [asdict(layer) for layer in block_layers(block)]]
        for blocks in spec.stage_blocks()
        for block in blocks
    ]
    document = {
        "stem": asdict(stem_layer(spec)),
        "blocks": chains,
        "head": asdict(head_layer(spec)),
        "classifier": asdict(classifier_layer(spec)),
        # As floats, since 0 and 0.0 build the same network.
        **{name: float(getattr(spec, name)) for name in _BEYOND_LAYERS},
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
