"""One block as a value, and how its squeeze-excite is made: what layers are derived from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from search_spaces.checks import (
    SpecError,
    check_choice,
    check_flag,
    check_int,
    check_kernel,
    check_real,
)

if TYPE_CHECKING:
    from search_spaces.spec import StageSpec

__all__ = [
    "EFFICIENTNET_SE",
    "EXPANDING_KINDS",
    "FORBID_UNKNOWN",
    "MAX_CHANNELS",
    "Activation",
    "BlockActivation",
    "BlockKind",
    "BlockSpec",
    "Gate",
    "Padding",
    "Shortcut",
    "Skip",
    "SqueezeSpec",
    "check_block",
]

BlockKind = Literal["conv", "dsconv", "mbconv", "fused", "basic", "bottleneck"]
Activation = Literal["relu", "relu6", "hard_swish", "silu"]
BlockActivation = Literal["relu", "relu6", "hard_swish", "silu", "linear"]
Skip = Literal["identity", "pooled", "none"]
Shortcut = Literal["none", "identity", "pooled", "projection"]
Gate = Literal["sigmoid", "hard_sigmoid"]
Padding = Literal["symmetric", "same"]

MAX_CHANNELS = 65_536
FORBID_UNKNOWN: dict[str, Any] = {"extra": "forbid", "strict": True}
RESNET_KINDS = ("basic", "bottleneck")
EXPANDING_KINDS = ("mbconv", "fused")
GATED_KINDS = ("mbconv", "fused", "dsconv")


def check_block(where: str, block: BlockSpec | StageSpec) -> None:
    """Refuses values that no block, and so no stage, can have."""
    check_choice(f"{where}: kind", block.kind, get_args(BlockKind))
    check_kernel(f"{where}: kernel", block.kernel)
    check_int(f"{where}: stride", block.stride, 1, 2)
    check_int(f"{where}: out_ch", block.out_ch, 1, MAX_CHANNELS)
    check_real(f"{where}: se_ratio", block.se_ratio, 0, 1)
    check_choice(f"{where}: skip", block.skip, get_args(Skip))
    if block.act is not None:
        check_choice(f"{where}: act", block.act, get_args(BlockActivation))
    if block.act == "linear" and block.kind != "conv":
        raise SpecError(f"{where}: act is linear; only a conv may be, not {block.kind}")
    _check_expand(where, block)
    if block.se_ratio and block.kind not in GATED_KINDS:
        raise SpecError(f"{where}: se_ratio is {block.se_ratio}; {block.kind} has no gate, so 0")


def _check_expand(where: str, block: BlockSpec | StageSpec) -> None:
    check_real(f"{where}: expand", block.expand, 1 / 64 if block.kind == "bottleneck" else 1, 64)
    if block.expand_ch is not None:
        check_int(f"{where}: expand_ch", block.expand_ch, 1, MAX_CHANNELS)
    as_wide = block.expand == 1 and block.expand_ch is None
    if not as_wide and block.kind in ("conv", "dsconv", "basic"):
        raise SpecError(f"{where}: expand is {block.expand}; {block.kind} does not expand, so 1")
    check_flag(f"{where}: expand_always", block.expand_always)
    if block.expand_always and block.kind not in EXPANDING_KINDS:
        raise SpecError(f"{where}: expand_always is true; only {' or '.join(EXPANDING_KINDS)} may")


@dataclass(frozen=True, slots=True)
class SqueezeSpec:
    """Says how every squeeze-excite of a network is made; the ratio itself is each stage's.

    `of` is what the ratio multiplies: the block's input channels (EfficientNet) or its expanded
    ones (MobileNetV3). `rounding` of that product: `down`, at least 1 (EfficientNet); `nearest`;
    or `divisible`, to a multiple of 8 by the 90% rule (MobileNetV3). `act` stands between the two
    layers (None: the block's own). Raises `SpecError` for values that are none of these.
    """

    of: Literal["input", "expanded"] = "input"
    rounding: Literal["down", "nearest", "divisible"] = "down"
    gate: Gate = "sigmoid"
    act: Activation | None = None

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    def __post_init__(self) -> None:
        check_choice("se: of", self.of, ("input", "expanded"))
        check_choice("se: rounding", self.rounding, ("down", "nearest", "divisible"))
        check_choice("se: gate", self.gate, get_args(Gate))
        if self.act is not None:
            check_choice("se: act", self.act, get_args(Activation))


EFFICIENTNET_SE = SqueezeSpec()


@dataclass(frozen=True, slots=True)
class BlockSpec:
    """Describes one block with its input: what layers are derived from.

    `expand` multiplies `in_ch`, rounded to a multiple of `expand_divisor` (1: to a whole number);
    in a bottleneck it multiplies `out_ch`. `expand_ch` is the expanded width itself, where a ratio
    cannot say it. An expansion of 1 has no convolution of its own (EfficientNet) but with
    `expand_always` (timm's `ir` and `er`). `se_ratio` is the squeeze width as a share of what `se`
    says (0: none).
    Raises `SpecError` for values that no block can have.
    """

    kind: BlockKind
    kernel: int
    stride: int
    in_ch: int
    out_ch: int
    expand: float = 1
    se_ratio: float = 0
    skip: Skip = "identity"
    act: BlockActivation = "silu"
    expand_ch: int | None = None
    expand_divisor: int = 1
    se: SqueezeSpec = EFFICIENTNET_SE
    padding: Padding = "symmetric"
    expand_always: bool = False

    def __post_init__(self) -> None:
        check_int("block: in_ch", self.in_ch, 1, MAX_CHANNELS)
        check_choice("block: act", self.act, get_args(BlockActivation))
        check_choice("block: padding", self.padding, get_args(Padding))
        check_block("block", self)

    @property
    def shortcut(self) -> Shortcut:
        """Tells how the block's input reaches its output besides the main path.

        `identity`: added as it is; `projection`: through a 1×1 convolution (ResNet, where the
        shape changes); `pooled`: averaged over stride×stride pixels, with zero channels added or
        the last ones left out until the widths agree (as it is, where the shape does not change).
        """
        same = self.stride == 1 and self.in_ch == self.out_ch
        if self.skip == "none":
            return "none"
        if same:
            return "identity"
        if self.skip == "pooled":
            return "pooled"
        return "projection" if self.kind in RESNET_KINDS else "none"

    @property
    def has_residual(self) -> bool:
        """Tells whether the block's input is added to its output, in whatever form."""
        return self.shortcut != "none"
