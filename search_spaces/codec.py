"""Specs as JSON and as timm's block strings, and the fingerprint that tells networks apart."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from decimal import Decimal
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
from search_spaces.spec import (
    EXPANDING_KINDS,
    ArchSpec,
    BlockActivation,
    BlockKind,
    BlockSpec,
    Skip,
    SpecError,
    StageSpec,
)

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


# timm's codes, and two of our own. `cn` and `ds` with an expansion of 1 written out are the
# Fused-MBConv and MBConv of that expansion; `cn` without one is a convolution: the same network.
_BLOCK_TYPES: dict[str, BlockKind] = {
    "ir": "mbconv",
    "ds": "mbconv",
    "dsa": "dsconv",
    "er": "fused",
    "cn": "conv",
    "basic": "basic",
    "bottleneck": "bottleneck",
}
_CODES: dict[BlockKind, str] = {
    kind: code for code, kind in _BLOCK_TYPES.items() if code not in ("ds",)
}
_ACTIVATIONS: dict[str, BlockActivation] = {
    "nre": "relu",
    "nr6": "relu6",
    "nhs": "hard_swish",
    "nsw": "silu",
    "nli": "linear",
}
_SKIPS: dict[str, Skip] = {"skip": "identity", "noskip": "none", "pool": "pooled"}
_WITHOUT_SKIP = ("cn", "dsa")  # in timm these have no skip unless they say so
_PART = re.compile(r"(se|[rksecx])(\d+(?:\.\d+)?)")


def _number(value: float) -> str:
    # Every digit, and no exponent: what is read back must be the same stage.
    return str(int(value)) if float(value).is_integer() else format(Decimal(repr(value)), "f")


def _code(stage: StageSpec) -> str:
    if stage.expand == 1 and stage.expand_ch is None and stage.kind in EXPANDING_KINDS:
        return "ds" if stage.kind == "mbconv" else "cn"
    return _CODES[stage.kind]


def _default_skip(code: str) -> Skip:
    return "none" if code in _WITHOUT_SKIP else "identity"


def stage_to_string(stage: StageSpec) -> str:
    """Writes a stage as timm does: `ir_r2_k5_s2_e6_c40_se0.25`.

    Beyond timm, `x72` is the expanded width itself, `pool` a pooled skip, `nli` no activation.
    """
    code = _code(stage)
    expands = stage.kind not in ("conv", "dsconv", "basic")
    skip = next(text for text, skip in _SKIPS.items() if skip == stage.skip)
    parts = [code, f"r{stage.repeats}", f"k{stage.kernel}", f"s{stage.stride}"]
    parts += [f"e{_number(stage.expand)}"] if expands else []
    parts += [f"c{stage.out_ch}"]
    parts += [] if stage.expand_ch is None else [f"x{stage.expand_ch}"]
    parts += [f"se{_number(stage.se_ratio)}"] if stage.se_ratio else []
    parts += [text for text, act in _ACTIVATIONS.items() if act == stage.act]
    parts += [] if stage.skip == _default_skip(code) else [skip]
    return "_".join(parts)


@dataclass(slots=True)
class _Parts:
    """Collects what the parts of a block string say."""

    numbers: dict[str, str]
    skip: Skip
    act: BlockActivation | None = None

    def read(self, part: str) -> bool:
        if part in _SKIPS:
            self.skip = _SKIPS[part]
        elif part in _ACTIVATIONS:
            self.act = _ACTIVATIONS[part]
        elif match := _PART.fullmatch(part):
            self.numbers[match[1]] = match[2]
        else:
            return False
        return True


def stage_from_string(text: str) -> StageSpec:
    """Reads one block string; raises `SpecError` naming the part that it cannot express."""
    code, *parts = text.split("_")
    if code not in _BLOCK_TYPES:
        known = ", ".join(_BLOCK_TYPES)
        raise SpecError(f"block {text!r}: type {code!r} is not known; the types are {known}")
    found = _Parts({}, _default_skip(code))
    for part in parts:
        if not found.read(part):
            raise SpecError(f"block {text!r}: {part!r} cannot be expressed")
    try:
        return _stage(code, found)
    except KeyError as error:
        raise SpecError(f"block {text!r}: {error.args[0]!r} is missing") from None
    except ValueError as error:
        raise SpecError(f"block {text!r}: {error}") from None


def _stage(code: str, found: _Parts) -> StageSpec:
    values = found.numbers
    return StageSpec(
        kind="fused" if code == "cn" and "e" in values else _BLOCK_TYPES[code],
        kernel=int(values["k"]),
        stride=int(values["s"]),
        expand=_as_number(values.get("e", "1")),
        out_ch=int(values["c"]),
        repeats=int(values["r"]),
        se_ratio=_as_number(values.get("se", "0")),
        skip=found.skip,
        act=found.act,
        expand_ch=int(values["x"]) if "x" in values else None,
    )


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
_LATER = {"padding": "symmetric", "gate": "sigmoid"}


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
