"""The architecture as a value: frozen blocks, stages and networks, validated when made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, get_args

from search_spaces.errors import InputError

__all__ = ["Activation", "ArchSpec", "BlockKind", "BlockSpec", "Skip", "SpecError", "StageSpec"]

BlockKind = Literal["mbconv", "fused"]
Activation = Literal["relu", "relu6", "hard_swish", "silu"]
Skip = Literal["identity", "none"]

MAX_KERNEL = 31
MAX_CHANNELS = 65_536
MAX_REPEATS = 1_000
MAX_RESOLUTION = 4_096
FORBID_UNKNOWN: dict[str, Any] = {"extra": "forbid", "strict": True}


class SpecError(InputError):
    """Says which value of an architecture makes no sense, and what would."""


def _check_choice(where: str, value: object, options: tuple[object, ...]) -> None:
    if value not in options:
        raise SpecError(f"{where} is {value!r}; it must be one of {', '.join(map(str, options))}")


def _check_int(where: str, value: int, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise SpecError(f"{where} is {value!r}; it must be a whole number from {low} to {high}")


def _check_kernel(where: str, value: int) -> None:
    _check_int(where, value, 1, MAX_KERNEL)
    if value % 2 == 0:  # padding by half an even kernel would change the output's side
        raise SpecError(f"{where} is {value}; it must be odd, such as 3 or 5")


def _check_real(where: str, value: float, low: float, high: float) -> None:
    real = isinstance(value, int | float) and not isinstance(value, bool)
    if not real or not low <= value <= high:
        raise SpecError(f"{where} is {value!r}; it must lie between {low:g} and {high:g}")


def _check_block(where: str, block: BlockSpec | StageSpec) -> None:
    _check_choice(f"{where}: kind", block.kind, get_args(BlockKind))
    _check_kernel(f"{where}: kernel", block.kernel)
    _check_int(f"{where}: stride", block.stride, 1, 2)
    _check_real(f"{where}: expand", block.expand, 1, 64)
    _check_int(f"{where}: out_ch", block.out_ch, 1, MAX_CHANNELS)
    _check_real(f"{where}: se_ratio", block.se_ratio, 0, 1)
    _check_choice(f"{where}: skip", block.skip, get_args(Skip))


@dataclass(frozen=True, slots=True)
class BlockSpec:
    """Describes one block with its input: what layers are derived from.

    `expand` multiplies `in_ch`; `se_ratio` is the squeeze width as a share of `in_ch` (0: none).
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
    act: Activation = "silu"

    def __post_init__(self) -> None:
        _check_int("block: in_ch", self.in_ch, 1, MAX_CHANNELS)
        _check_choice("block: act", self.act, get_args(Activation))
        _check_block("block", self)

    @property
    def has_residual(self) -> bool:
        """Tells whether the block's input is added to its output."""
        return self.skip == "identity" and self.stride == 1 and self.in_ch == self.out_ch


@dataclass(frozen=True, slots=True)
class StageSpec:
    """Describes `repeats` equal blocks; the first one has the stride and changes the width.

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

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    def __post_init__(self) -> None:
        _check_block("stage", self)
        _check_int("stage: repeats", self.repeats, 1, MAX_REPEATS)

    def blocks(self, in_ch: int, act: Activation) -> Iterator[BlockSpec]:
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
            act=act,
        )
        yield first
        if self.repeats > 1:
            later = replace(first, stride=1, in_ch=self.out_ch)
            yield from (later for _ in range(self.repeats - 1))


@dataclass(frozen=True, slots=True)
class ArchSpec:
    """Describes a whole network: stem convolution, stages, 1×1 head convolution, classifier.

    `resolution` is the side of the square input in pixels. `dropout` is the rate before the
    classifier; `drop_path` the stochastic-depth rate reached at the last block (block i of N
    survives with probability 1 − drop_path·i/N). `bn_momentum` is PyTorch's: 1 − TensorFlow's.
    Raises `SpecError` for values that no network can have.
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

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name and self.name.isprintable()):
            raise SpecError(f"name is {self.name!r}; it must be text of one line")
        if set(self.name) & set("/\\") or self.name.startswith("."):  # names become file names
            raise SpecError(f"name is {self.name!r}; it must not hold a slash or start with a dot")
        if not self.stages:
            raise SpecError(f"{self.name}: stages is empty; a network needs at least one stage")
        _check_int(f"{self.name}: resolution", self.resolution, 1, MAX_RESOLUTION)
        _check_kernel(f"{self.name}: stem_kernel", self.stem_kernel)
        _check_int(f"{self.name}: stem_stride", self.stem_stride, 1, 2)
        for name in ("stem_ch", "head_ch", "num_classes", "in_ch"):
            _check_int(f"{self.name}: {name}", getattr(self, name), 1, MAX_CHANNELS)
        _check_choice(f"{self.name}: act", self.act, get_args(Activation))
        _check_real(f"{self.name}: bn_eps", self.bn_eps, 1e-12, 1)
        _check_real(f"{self.name}: bn_momentum", self.bn_momentum, 0, 1)
        for name in ("dropout", "drop_path"):
            _check_real(f"{self.name}: {name}", getattr(self, name), 0, 0.99)

    def stage_blocks(self) -> tuple[tuple[BlockSpec, ...], ...]:
        """Returns the blocks of each stage, with their input channels worked out."""
        stages, in_ch = [], self.stem_ch
        for stage in self.stages:
            stages.append(tuple(stage.blocks(in_ch, self.act)))
            in_ch = stage.out_ch
        return tuple(stages)

    @property
    def depth(self) -> int:
        """Counts the blocks."""
        return sum(stage.repeats for stage in self.stages)

    @property
    def total_stride(self) -> int:
        """Multiplies the strides: input side over final feature side, before rounding up."""
        product = self.stem_stride
        for stage in self.stages:
            product *= stage.stride
        return product
