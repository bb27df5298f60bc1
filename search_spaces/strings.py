"""Stages as timm's block strings, written and read: `ir_r2_k5_s2_e6_c40_se0.25`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from search_spaces.resize import round_filters
from search_spaces.spec import (
    EXPANDING_KINDS,
    BlockActivation,
    BlockKind,
    Skip,
    SpecError,
    StageSpec,
)

__all__ = ["stage_from_string", "stage_to_string", "stages_from_strings"]

# timm's codes, and two of our own. As in timm, an expansion of 1 is a convolution in `ir` and `er`
# and none in `ds` and `cn`; `cn` with it written out is the Fused-MBConv without an expansion,
# without it a convolution: the same network.
_BLOCK_TYPES: dict[str, BlockKind] = {
    "ir": "mbconv",
    "ds": "mbconv",
    "dsa": "dsconv",
    "er": "fused",
    "cn": "conv",
    "basic": "basic",
    "bottleneck": "bottleneck",
}
_EXPANDING = ("ir", "er")
_NOT_EXPANDING = ("ds", "dsa", "cn")
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
_RATIO = re.compile(r"(se|e)(\d+(?:\.\d+)?)")
_COUNT = re.compile(r"(fc|[rkscx])(\d+)")

# What timm's strings may say beyond that, and what those parts are where they say nothing new.
_FEATURES: dict[str, str] = {
    r"[kap]\d+(\.\d+)+": "mixed kernels",
    r"cc\d+": "CondConv experts",
    r"gs\d+": "convolutions in groups",
    r"d\d+": "space to depth",
    r"a\d+": "an expanding convolution that is not 1×1",
    r"p\d+": "a projecting convolution that is not 1×1",
    r"nmi": "the activation Mish",
}
_TYPE_FEATURES = {
    "uir": "universal inverted residuals",
    "mqa": "attention",
    "mha": "attention",
}
_SAYS_NOTHING = {
    **dict.fromkeys(("ir", "ds", "dsa"), ("a1", "p1", "d0", "gs1")),
    **dict.fromkeys(("er", "cn"), ("p1", "gs0")),
}


def _number(value: float) -> str:
    # Every digit, and no exponent: what is read back must be the same stage.
    return str(int(value)) if float(value).is_integer() else format(Decimal(repr(value)), "f")


def _code(stage: StageSpec) -> str:
    narrow = stage.expand == 1 and stage.expand_ch is None and not stage.expand_always
    if narrow and stage.kind in EXPANDING_KINDS:
        return "ds" if stage.kind == "mbconv" else "cn"
    return _CODES[stage.kind]


def _default_skip(code: str) -> Skip:
    return "none" if code in _WITHOUT_SKIP else "identity"


def _inner_width(stage: StageSpec) -> list[str]:
    """Returns `fc24` where that is what an `er` expands (timm), else `x96`, the width itself."""
    if stage.expand_ch is None:
        return []
    narrow = round(stage.expand_ch / stage.expand)
    forced = round_filters(narrow * stage.expand) == stage.expand_ch
    return [f"fc{narrow}" if stage.kind == "fused" and narrow and forced else f"x{stage.expand_ch}"]


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
    parts += _inner_width(stage)
    parts += [f"se{_number(stage.se_ratio)}"] if stage.se_ratio else []
    parts += [text for text, act in _ACTIVATIONS.items() if act == stage.act]
    parts += [] if stage.skip == _default_skip(code) else [skip]
    return "_".join(parts)


@dataclass(slots=True)
class _Parts:
    """Collects what the parts of a block string say."""

    code: str
    numbers: dict[str, str]
    skip: Skip
    act: BlockActivation | None = None

    def read(self, part: str) -> bool:
        """Takes a part in, and returns whether it could be read."""
        if part in _SKIPS:
            self.skip = _SKIPS[part]
        elif part in _ACTIVATIONS:
            self.act = _ACTIVATIONS[part]
        elif match := _RATIO.fullmatch(part) or _COUNT.fullmatch(part):
            self.numbers[match[1]] = match[2]
            return self._belongs(match[1], match[2])
        else:
            return part in _SAYS_NOTHING.get(self.code, ())
        return True

    def _belongs(self, key: str, value: str) -> bool:
        if key == "e" and self.code in _NOT_EXPANDING:
            return float(value) == 1
        return key != "fc" or self.code == "er"


def stage_from_string(text: str) -> StageSpec:
    """Reads one block string; raises `SpecError` naming the part that it cannot express."""
    code, *parts = text.split("_")
    if code in _TYPE_FEATURES:
        raise SpecError(f"block {text!r}: {code}: {_TYPE_FEATURES[code]} cannot be expressed")
    if code not in _BLOCK_TYPES:
        known = ", ".join(_BLOCK_TYPES)
        raise SpecError(f"block {text!r}: type {code!r} is not known; the types are {known}")
    found = _Parts(code, {}, _default_skip(code))
    for part in parts:
        if not found.read(part):
            raise SpecError(f"block {text!r}: {_refusal(part)} cannot be expressed")
    try:
        return _stage(found)
    except KeyError as error:
        raise SpecError(f"block {text!r}: {error.args[0]!r} is missing") from None
    except ValueError as error:
        raise SpecError(f"block {text!r}: {error}") from None


def _refusal(part: str) -> str:
    """Returns a part with the name of what timm means by it, where that is known."""
    names = (name for pattern, name in _FEATURES.items() if re.fullmatch(pattern, part))
    name = next(names, None)
    return repr(part) if name is None else f"{part}: {name}"


def _stage(found: _Parts) -> StageSpec:
    code, values = found.code, found.numbers
    expand = _as_number(values["e"] if code in _EXPANDING else values.get("e", "1"))
    expand_ch = int(values["x"]) if "x" in values else None
    if "fc" in values:
        expand_ch = round_filters(int(values["fc"]) * expand)
    return StageSpec(
        kind="fused" if code == "cn" and "e" in values else _BLOCK_TYPES[code],
        kernel=int(values["k"]),
        stride=int(values["s"]),
        expand=expand,
        out_ch=int(values["c"]),
        repeats=int(values["r"]),
        se_ratio=_as_number(values.get("se", "0")),
        skip=found.skip,
        act=found.act,
        expand_ch=expand_ch,
        expand_always=code in _EXPANDING and expand == 1 and expand_ch is None,
    )


def _as_number(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() else value


def stages_from_strings(text: str) -> tuple[StageSpec, ...]:
    """Reads block strings parted by white space."""
    return tuple(stage_from_string(part) for part in text.split())
