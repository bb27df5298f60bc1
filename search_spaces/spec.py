"""The architecture as a value: frozen blocks, stages and networks, validated when made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, get_args

from search_spaces.block_spec import (
    EFFICIENTNET_SE,
    EXPANDING_KINDS,
    FORBID_UNKNOWN,
    MAX_CHANNELS,
    Activation,
    BlockActivation,
    BlockKind,
    BlockSpec,
    Gate,
    Padding,
    Shortcut,
    Skip,
    SqueezeSpec,
    check_block,
)
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
    "EFFICIENTNET_SE",
    "EXPANDING_KINDS",
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

Head = Literal["conv", "none"]

MAX_REPEATS = 1_000
MAX_RESOLUTION = 4_096


@dataclass(frozen=True, slots=True)
class StageSpec:
    """Describes `repeats` equal blocks; the first one has the stride and changes the width.

    `act` replaces the network's activation (`linear`: none, in a conv); `expand_ch` is the
    expanded width of each block; with `expand_always` an expansion of 1 is a convolution too.
    Raises `SpecError` for values that no stage can have.
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
    expand_always: bool = False

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    def __post_init__(self) -> None:
        check_block("stage", self)
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
            expand_always=self.expand_always,
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
    with activation between pooling and classifier (0: none; MobileNetV3), with `hidden_bias` or
    without (FBNetV3). `padding` is symmetric or TensorFlow's `same`. Raises `SpecError` for values
    that no network can have.
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
    hidden_bias: bool = True

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.stages:
            raise SpecError(f"{self.name}: stages is empty; a network needs at least one stage")
        check_int(f"{self.name}: resolution", self.resolution, 1, MAX_RESOLUTION)
        check_kernel(f"{self.name}: stem_kernel", self.stem_kernel)
        check_int(f"{self.name}: stem_stride", self.stem_stride, 1, 2)
        for name in ("stem_pool", "hidden_bias"):
            check_flag(f"{self.name}: {name}", getattr(self, name))
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
