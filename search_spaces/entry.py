"""A row of the catalog: one published network, and how a spec is made of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from search_spaces.codec import stages_from_strings
from search_spaces.resize import ROUNDING, Rounding, resize
from search_spaces.spec import EFFICIENTNET_SE, Activation, ArchSpec, Head, SqueezeSpec

__all__ = ["Entry"]

SAME_IN_SPEC = (
    "resolution",
    "stem_ch",
    "stem_kernel",
    "stem_pool",
    "head",
    "head_ch",
    "hidden_ch",
    "act",
    "dropout",
    "drop_path",
    "expand_divisor",
    "se",
    "bn_eps",
    "bn_momentum",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """Holds one published network, and its params, MACs and ImageNet top-1 (%) as published.

    `widest_head`: a width multiplier below 1 leaves the layer before the classifier as wide as it
    is, the rule of MobileNetV2 (arXiv:1801.04381, section 6.1) that MobileNetV3 keeps.
    """

    blocks: str
    resolution: int
    stem_ch: int = 32
    stem_kernel: int = 3
    stem_pool: bool = False
    head: Head = "conv"
    head_ch: int = 1280
    hidden_ch: int = 0
    act: Activation = "silu"
    width: float = 1.0
    depth: float = 1.0
    dropout: float = 0.2
    drop_path: float = 0.2
    rounding: Rounding = ROUNDING
    widest_head: bool = False
    expand_divisor: int = 1
    se: SqueezeSpec = EFFICIENTNET_SE
    bn_eps: float = 1e-3
    bn_momentum: float = 0.01
    params: str = ""
    macs: str = ""
    top1: float | None = None
    source: str = ""

    def spec(self, name: str, width: float = 1.0) -> ArchSpec:
        """Returns the spec, its widths multiplied by `width` on top of the row's own."""
        base = ArchSpec(
            name=name,
            stages=stages_from_strings(self.blocks),
            **{field: getattr(self, field) for field in SAME_IN_SPEC},
        )
        spec = resize(base, width=self.width * width, depth=self.depth, rounding=self.rounding)
        if not self.widest_head:
            return spec
        last = "hidden_ch" if spec.hidden_ch else "head_ch"
        widest = max(getattr(base, last), getattr(spec, last))
        return replace(spec, **{last: widest})
