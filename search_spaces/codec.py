"""Specs as JSON and as timm's block strings, and the fingerprint that tells networks apart."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from search_spaces.layers import (
    Layer,
    LinearLayer,
    block_layers,
    classifier_layers,
    head_layers,
    stem_layers,
)
from search_spaces.spec import ArchSpec, BlockSpec, SpecError
from search_spaces.strings import stage_from_string, stage_to_string, stages_from_strings

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


def fingerprint(spec: ArchSpec) -> str:
    """Names the network that a spec builds, in 16 hexadecimal digits.

    Two specs have the same fingerprint when they build the same network at the same resolution,
    however it is split into stages and whatever it is called: it is taken over the layers.
    """
    blocks = [_block(block) for stage in spec.stage_blocks() for block in stage]
    stem, *pools = map(_layer, stem_layers(spec))
    *hidden, classifier = map(_layer, classifier_layers(spec))
    ends = {
        "stem_pool": pools,
        "hidden": hidden,
        "head": next(map(_layer, head_layers(spec)), None),
    }
    document = {
        "stem": stem,
        "blocks": blocks,
        "classifier": classifier,
        **{name: value for name, value in ends.items() if value},
        # As floats, since 0 and 0.0 build the same network.
        **{name: float(getattr(spec, name)) for name in _BEYOND_LAYERS},
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# What layers gained after fingerprints had been stored: left out where it says nothing new.
_LATER = {"padding": "symmetric", "gate": "sigmoid", "bias": True}


def _layer(layer: Layer) -> dict[str, Any]:
    later = _LATER | ({"act": None} if isinstance(layer, LinearLayer) else {})
    return {
        name: value
        for name, value in asdict(layer).items()
        if name not in later or value != later[name]
    }


def _block(block: BlockSpec) -> list[Any]:
    """Describes a block; one whose input comes back unchanged, or not at all, as at first."""
    layers = block_layers(block)
    document: list[Any] = [block.has_residual, [_layer(layer) for layer in layers.path]]
    document += [_layer(layers.shortcut)] if layers.shortcut else []
    return [*document, layers.act] if layers.act else document
