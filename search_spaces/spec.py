"""The architecture as a value: frozen blocks, stages and networks, validated when made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, get_args

from search_spaces.checks import (
    SpecError,
    check_choice,
    check_flag,
    check_int,
    check_kernel,
    check_name,
    check_real,
)

__all__ = [
    "Activation",
    "ArchSpec",
    "BlockActivation",
    "BlockKind",
    "BlockSpec",
    "Gate",
    "Head",
    "Padding",
    "Shortcut",
    "Skip",
    "SpecError",
    "SqueezeSpec",
    "StageSpec",
]

BlockKind = Literal["conv", "dsconv", "mbconv", "fused", "basic", "bottleneck"]
Activation = Literal["relu", "relu6", "hard_swish", "silu"]
BlockActivation = Literal["relu", "relu6", "hard_swish", "silu", "linear"]
Skip = Literal["identity", "pooled", "none"]
Shortcut = Literal["none", "identity", "pooled", "projection"]
Gate = Literal["sigmoid", "hard_sigmoid"]
Padding = Literal["symmetric", "same"]
Head = Literal["conv", "none"]

MAX_CHANNELS = 65_536
MAX_REPEATS = 1_000
MAX_RESOLUTION = 4_096
FORBID_UNKNOWN: dict[str, Any] = {"extra": "forbid", "strict": True}
RESNET_KINDS = ("basic", "bottleneck")
EXPANDING_KINDS = ("mbconv", "fused")
GATED_KINDS = ("mbconv", "fused", "dsconv")


def _check_block(where: str, block: BlockSpec | StageSpec) -> None:
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
    cannot say it. `se_ratio` is the squeeze width as a share of what `se` says (0: none).
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

    def __post_init__(self) -> None:
        check_int("block: in_ch", self.in_ch, 1, MAX_CHANNELS)
        check_choice("block: act", self.act, get_args(BlockActivation))
        check_choice("block: padding", self.padding, get_args(Padding))
        _check_block("block", self)

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


@dataclass(frozen=True, slots=True)
class StageSpec:
    """Describes `repeats` equal blocks; the first one has the stride and changes the width.

    `act` replaces the network's activation (`linear`: none, in a conv); `expand_ch` is the
    expanded width of each block. Raises `SpecError` for values that no stage can have.
    """

    kind: BlockKind
    kernel: int
    stride: int
    expand: float
    out_ch: int
    repeats: int
    se_ratio: float = 0
    skip: Skip = "identity"
    act: BlockActivation | None = None
    expand_ch: int | None = None

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    def __post_init__(self) -> None:
        _check_block("stage", self)
        check_int("stage: repeats", self.repeats, 1, MAX_REPEATS)

    def blocks(
        self,
        in_ch: int,
        act: Activation,
        *,
        se: SqueezeSpec = EFFICIENTNET_SE,
        padding: Padding = "symmetric",
        expand_divisor: int = 1,
    ) -> Iterator[BlockSpec]:
        """Yields the stage's blocks for an input of `in_ch` channels."""
        first = BlockSpec(
            kind=self.kind,
            kernel=self.kernel,
            stride=self.stride,
            in_ch=in_ch,
            out_ch=self.out_ch,
            expand=self.expand,
            se_ratio=self.se_ratio,
            skip=self.skip,
            act=self.act or act,
            expand_ch=self.expand_ch,
            expand_divisor=expand_divisor,
            se=se,
            padding=padding,
        )
        yield first
        if self.repeats > 1:
            later = replace(first, stride=1, in_ch=self.out_ch)
            yield from (later for _ in range(self.repeats - 1))


@dataclass(frozen=True, slots=True)
class ArchSpec:
    """Describes a whole network: stem convolution, stages, head, classifier.

    `resolution` is the side of the square input in pixels. `dropout` is the rate before the
    classifier; `drop_path` the stochastic-depth rate reached at the last block (block i of N
    survives with probability 1 − drop_path·i/N). `bn_momentum` is PyTorch's: 1 − TensorFlow's.
    `stem_pool` adds ResNet's 3×3 max-pooling of stride 2. `head` is a 1×1 convolution to `head_ch`
    before the pooling, or none (`head_ch` then means nothing); `hidden_ch` adds a linear layer
    with activation between pooling and classifier (0: none; MobileNetV3). `padding` is symmetric
    or TensorFlow's `same`. Raises `SpecError` for values that no network can have.
    """

    name: str
    resolution: int
    stages: tuple[StageSpec, ...] = field(default=())
    stem_ch: int = 32
    stem_kernel: int = 3
    stem_stride: int = 2
    head_ch: int = 1280
    num_classes: int = 1000
    in_ch: int = 3
    act: Activation = "silu"
    bn_eps: float = 1e-3
    bn_momentum: float = 0.01
    dropout: float = 0.0
    drop_path: float = 0.0
    stem_pool: bool = False
    head: Head = "conv"
    hidden_ch: int = 0
    padding: Padding = "symmetric"
    expand_divisor: int = 1
    se: SqueezeSpec = EFFICIENTNET_SE

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.stages:
            raise SpecError(f"{self.name}: stages is empty; a network needs at least one stage")
        check_int(f"{self.name}: resolution", self.resolution, 1, MAX_RESOLUTION)
        check_kernel(f"{self.name}: stem_kernel", self.stem_kernel)
        check_int(f"{self.name}: stem_stride", self.stem_stride, 1, 2)
        check_flag(f"{self.name}: stem_pool", self.stem_pool)
        for name in ("stem_ch", "head_ch", "num_classes", "in_ch", "expand_divisor"):
            check_int(f"{self.name}: {name}", getattr(self, name), 1, MAX_CHANNELS)
        check_int(f"{self.name}: hidden_ch", self.hidden_ch, 0, MAX_CHANNELS)
        check_choice(f"{self.name}: act", self.act, get_args(Activation))
        check_choice(f"{self.name}: head", self.head, get_args(Head))
        check_choice(f"{self.name}: padding", self.padding, get_args(Padding))
        check_real(f"{self.name}: bn_eps", self.bn_eps, 1e-12, 1)
        check_real(f"{self.name}: bn_momentum", self.bn_momentum, 0, 1)
        for name in ("dropout", "drop_path"):
            check_real(f"{self.name}: {name}", getattr(self, name), 0, 0.99)

    def blocks_of(self, stage: StageSpec, in_ch: int) -> tuple[BlockSpec, ...]:
        """Returns a stage's blocks as they are in this network, for `in_ch` channels."""
        shared = {"se": self.se, "padding": self.padding, "expand_divisor": self.expand_divisor}
        return tuple(stage.blocks(in_ch, self.act, **shared))  # type: ignore[arg-type]

    def stage_blocks(self) -> tuple[tuple[BlockSpec, ...], ...]:
        """Returns the blocks of each stage, with their input channels worked out."""
        stages, in_ch = [], self.stem_ch
        for stage in self.stages:
            stages.append(self.blocks_of(stage, in_ch))
            in_ch = stage.out_ch
        return tuple(stages)

    @property
    def feature_ch(self) -> int:
        """Counts the channels that are pooled."""
        return self.head_ch if self.head == "conv" else self.stages[-1].out_ch

    @property
    def depth(self) -> int:
        """Counts the blocks."""
        return sum(stage.repeats for stage in self.stages)

    @property
    def total_stride(self) -> int:
        """Multiplies the strides: input side over final feature side, before rounding up."""
        product = self.stem_stride * (2 if self.stem_pool else 1)
        for stage in self.stages:
            product *= stage.stride
        return product
