"""The spaces, as data: skeletons for sizes of image, and the options each space gives a stage."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from search_spaces.codec import stages_from_strings
from search_spaces.errors import InputError
from search_spaces.measured import MEASURED
from search_spaces.resize import resize
from search_spaces.space import SearchSpace, StageOptions
from search_spaces.space_file import SpaceFile
from search_spaces.spec import ArchSpec

__all__ = ["SKELETONS", "SPACES", "Skeleton", "make_space", "skeleton_for"]


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Gives the shape that a space fills in: what is fixed, and each stage's width and stride.

    It serves images up to `up_to` pixels a side, at a resolution between `smallest` and `largest`.
    """

    name: str
    up_to: int
    smallest: int
    largest: int
    blocks: str
    stem_ch: int
    stem_stride: int
    head_ch: int

    def resolution(self, image_size: int) -> int:
        """Returns the input side for images of `image_size` pixels: upsampled if need be."""
        return min(max(image_size, self.smallest), self.largest)


SKELETONS = (
    Skeleton(
        "tiny", up_to=16, smallest=16, largest=16, stem_ch=16, stem_stride=1, head_ch=128,
        blocks="ir_r1_k3_s2_e3_c16 ir_r2_k3_s1_e3_c24 ir_r2_k3_s2_e3_c32 ir_r2_k3_s1_e3_c48",
    ),
    Skeleton(
        "small", up_to=64, smallest=24, largest=64, stem_ch=16, stem_stride=1, head_ch=320,
        blocks="ir_r1_k3_s1_e3_c16 ir_r2_k3_s2_e3_c24 ir_r2_k3_s2_e3_c40 ir_r3_k3_s2_e3_c80 "
        "ir_r3_k3_s1_e3_c112",
    ),
    Skeleton(
        "large", up_to=4096, smallest=96, largest=224, stem_ch=32, stem_stride=2, head_ch=1280,
        blocks="ir_r1_k3_s1_e3_c16 ir_r2_k3_s2_e3_c24 ir_r2_k3_s2_e3_c40 ir_r3_k3_s2_e3_c80 "
        "ir_r3_k3_s1_e3_c112 ir_r4_k3_s2_e3_c192 ir_r1_k3_s1_e3_c320",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Space:
    """Holds a space's options for its first stage and for the others, and what it follows."""

    first: StageOptions
    others: StageOptions
    about: str


_MBCONV = StageOptions(
    kinds=("conv", "dsconv", "mbconv"),
    expands=(3, 4, 6),
    skips=("pooled", "identity", "none"),
)
_FUSED = StageOptions(kinds=("fused",), expands=(1, 2, 4), se_ratios=(0,))
_MIXED = StageOptions(kinds=("mbconv", "fused"), expands=(1, 4, 6))

SPACES: Mapping[str, _Space] = {
    "mbconv": _Space(
        replace(_MBCONV, expands=(1, 3), layers=(0, 1)),
        _MBCONV,
        "conv, depthwise-separable conv or MBConv by stage; kernel, expansion, squeeze-excite, "
        "skip, layers ±1, width ×{.75,1,1.25} (MnasNet)",
    ),
    "fused": _Space(
        replace(_FUSED, expands=(1, 2), layers=(0, 1)),
        _FUSED,
        "Fused-MBConv without squeeze-excite; kernel, expansion, layers ±1, width",
    ),
    "mixed": _Space(
        replace(_MIXED, expands=(1, 4), layers=(0, 1)),
        _MIXED,
        "MBConv or Fused-MBConv by stage; kernel, expansion, squeeze-excite, layers ±1, width "
        "(EfficientNetV2)",
    ),
}


def skeleton_for(image_size: int) -> Skeleton:
    """Returns the skeleton that suits images of `image_size` pixels a side; the last has no end."""
    fitting = (skeleton for skeleton in SKELETONS if image_size <= skeleton.up_to)
    return next(fitting, SKELETONS[-1])


def make_space(
    name: str | SpaceFile,
    *,
    image_size: int,
    num_classes: int,
    resolution: int | None = None,
    width: float = 1.0,
) -> SearchSpace:
    """Returns a space on the skeleton that suits `image_size`; `width` multiplies its channels.

    A space that was measured, or that a file defines, keeps its own skeleton and, unless asked,
    its own resolution.

    Raises `InputError` for a name that is not known, with the nearest.
    """
    if isinstance(name, SpaceFile):
        return name.make(
            image_size=image_size, num_classes=num_classes, resolution=resolution, width=width
        )
    if name in MEASURED:
        return _measured_space(name, num_classes=num_classes, resolution=resolution, width=width)
    if name not in SPACES:
        known = [*SPACES, *MEASURED]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"no space is called {name!r}; {hint}the spaces are {', '.join(known)}")
    row, shape = SPACES[name], skeleton_for(resolution or image_size)
    skeleton = ArchSpec(
        name=shape.name,
        resolution=resolution or shape.resolution(image_size),
        stages=stages_from_strings(shape.blocks),
        stem_ch=shape.stem_ch,
        stem_stride=shape.stem_stride,
        head_ch=shape.head_ch,
        num_classes=num_classes,
    )
    options = (row.first, *(row.others,) * (len(skeleton.stages) - 1))
    return SearchSpace(name, resize(skeleton, width=width), options)


def _measured_space(
    name: str, *, num_classes: int, resolution: int | None, width: float
) -> SearchSpace:
    space = MEASURED[name].make()
    skeleton = resize(space.skeleton, width=width, resolution=resolution)
    return replace(space, skeleton=replace(skeleton, num_classes=num_classes))
