"""How other libraries name the weights of the networks that they share with the catalog.

Templates are filled with `stage` (from 0) and `index` (the block's place in it); `group` and
`index_in_group` (the same as timm parts the blocks, read off the weights' own names); `number` (of
the block among all, from 0); `position` (of the layer in its block, from 0); and after the blocks
with how many there are: `after` (stages), `blocks`. A number after a plus is added: `{number+1}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

__all__ = ["DIALECTS", "Dialect"]

Pair = tuple[str, str]  # of a convolution and its BatchNorm, or of a gate's two convolutions


@dataclass(frozen=True, slots=True)
class Dialect:
    """Holds one way of naming; `paths` names the layers of a block whose path has these layers.

    Any other path's convolutions are named by `conv`. Squeeze-excite layers are named by `se`.
    `first` names the convolutions of the first block in full, where they stand apart.
    """

    stem: Pair
    block: str
    classifier: str
    head: Pair = ("", "")
    hidden: str = ""
    conv: Pair = ("", "")
    se: Pair = ("", "")
    shortcut: Pair = ("", "")
    paths: Mapping[tuple[str, ...], tuple[Pair, ...]] = field(default_factory=dict)
    first: tuple[Pair, ...] = ()


_TORCHVISION = Dialect(
    stem=("features.0.0", "features.0.1"),
    block="features.{stage+1}.{index}.",
    conv=("block.{position}.0", "block.{position}.1"),
    se=("block.{position}.fc1", "block.{position}.fc2"),
    head=("features.{after+1}.0", "features.{after+1}.1"),
    classifier="classifier.1",
)
_TIMM = Dialect(
    stem=("conv_stem", "bn1"),
    block="blocks.{group}.{index_in_group}.",
    paths={
        ("depthwise", "project"): (("conv_dw", "bn1"), ("conv_pw", "bn2")),
        ("expand", "depthwise", "project"): (
            ("conv_pw", "bn1"),
            ("conv_dw", "bn2"),
            ("conv_pwl", "bn3"),
        ),
        ("expand", "project"): (("conv_exp", "bn1"), ("conv_pwl", "bn2")),
        ("project",): (("conv", "bn1"),),
    },
    se=("se.conv_reduce", "se.conv_expand"),
    head=("conv_head", "bn2"),
    classifier="classifier",
)

DIALECTS: dict[str, Dialect] = {
    "torchvision_efficientnet": _TORCHVISION,
    "torchvision_mobilenetv3": replace(
        _TORCHVISION,
        block="features.{number+1}.",
        head=("features.{blocks+1}.0", "features.{blocks+1}.1"),
        hidden="classifier.0",
        classifier="classifier.3",
    ),
    "torchvision_mobilenetv2": replace(
        _TORCHVISION,
        block="features.{number+1}.conv.",
        paths={
            ("depthwise", "project"): (("0.0", "0.1"), ("1", "2")),
            ("expand", "depthwise", "project"): (("0.0", "0.1"), ("1.0", "1.1"), ("2", "3")),
        },
        head=("features.{blocks+1}.0", "features.{blocks+1}.1"),
    ),
    "torchvision_mnasnet": Dialect(
        stem=("layers.0", "layers.1"),
        first=(("layers.3", "layers.4"), ("layers.6", "layers.7")),
        block="layers.{stage+7}.{index}.layers.",
        paths={("expand", "depthwise", "project"): (("0", "1"), ("3", "4"), ("6", "7"))},
        head=("layers.{after+7}", "layers.{after+8}"),
        classifier="classifier.1",
    ),
    "resnet": Dialect(  # of torchvision and timm alike
        stem=("conv1", "bn1"),
        block="layer{stage+1}.{index}.",
        conv=("conv{position+1}", "bn{position+1}"),
        shortcut=("downsample.0", "downsample.1"),
        classifier="fc",
    ),
    "timm": _TIMM,
    "timm_mobilenetv3": replace(
        _TIMM,
        head=("blocks.{group}.{index_in_group}.conv", "blocks.{group}.{index_in_group}.bn1"),
        hidden="conv_head",
    ),
    "efficientnet_lite_pytorch": Dialect(
        stem=("_conv_stem", "_bn0"),
        block="_blocks.{number}.",
        paths={
            ("depthwise", "project"): (("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")),
            ("expand", "depthwise", "project"): (
                ("_expand_conv", "_bn0"),
                ("_depthwise_conv", "_bn1"),
                ("_project_conv", "_bn2"),
            ),
        },
        head=("_conv_head", "_bn1"),
        classifier="_fc",
    ),
}
