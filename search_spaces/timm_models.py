"""The networks of timm's EfficientNet family as specs, read off the modules that timm builds."""

from __future__ import annotations

import difflib
from typing import Any

import torch
from torch import nn

from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.grouping import DIVISOR, BlockWidths, grouped
from search_spaces.libraries import import_library
from search_spaces.spec import Activation, ArchSpec, BlockActivation, SqueezeSpec
from search_spaces.timm_modules import (
    NORM,
    BlockSeen,
    Place,
    plain_conv,
    see_act,
    see_block,
    see_norm,
)

__all__ = ["family_names", "timm_spec"]

FAMILY = ("efficientnet", "mobilenetv3", "hardcorenas")  # the modules that define it


def family_names() -> list[str]:
    """Returns the names of the networks that timm makes of EfficientNet's and MobileNetV3's parts.

    Raises `InputError` where there is no timm.
    """
    timm = import_library("timm")
    return sorted(name for module in FAMILY for name in timm.list_models(module=module))


def _built(name: str) -> Any:
    """Returns timm's network of that name, without memory for its weights."""
    timm, known = import_library("timm"), family_names()
    if name.partition(".")[0] not in known:
        if timm.is_model(name):
            raise InputError(f"timm:{name}: only networks of timm's EfficientNet family are read")
        near = difflib.get_close_matches(name, known, n=3)
        hint = f"; did you mean {' or '.join(f'timm:{n}' for n in near)}?" if near else ""
        raise InputError(f"timm has no network called {name!r}{hint}")
    try:
        with torch.device("meta"):
            return timm.create_model(name)
    except (RuntimeError, ValueError) as error:  # a tag of weights that do not exist
        raise InputError(f"timm:{name}: {' '.join(str(error).split())}") from None


def timm_spec(name: str) -> ArchSpec:
    """Returns the spec of one of timm's networks, as timm builds it unless asked otherwise.

    Raises `InputError` for a name that timm does not know, a network with a feature that no spec
    can express (naming it and where it is), or one whose parameters would not be as many.
    """
    model, place = _built(name), Place(f"timm:{name}")
    spec = _read(model, name, place)
    theirs = sum(parameter.numel() for parameter in model.parameters())
    ours = cost(spec).params
    if ours != theirs:
        place.refuse(f"a network of {theirs:,} parameters (its spec would have {ours:,})")
    return spec


def _read(model: Any, name: str, place: Place) -> ArchSpec:
    act = _plain_act(see_norm(model.bn1, place), place)
    stem = plain_conv(model.conv_stem, place)
    blocks = [
        [see_block(block, Place(f"{place.name}: blocks.{i}.{j}")) for j, block in enumerate(stage)]
        for i, stage in enumerate(model.blocks)
    ]
    widths = [[block.widths for block in stage] for stage in blocks]
    if type(model).__name__ == "MobileNetV3":
        ends = _mobilenet_head(model, widths[-1][-1], act, place)
        widths[-1] = widths[-1][: -1 if "head_ch" in ends else None]
    else:
        ends = _efficientnet_head(model, act, place)
    stages, se = grouped(widths, act, se=_squeeze(blocks, place))
    norms = [module for module in model.modules() if type(module).__name__ == NORM]
    return ArchSpec(
        name=name,
        resolution=_resolution(model, place),
        stages=stages,
        stem_ch=stem.out_channels,
        stem_kernel=stem.kernel_size[0],
        stem_stride=stem.stride[0],
        num_classes=model.classifier.out_features,
        in_ch=stem.in_channels,
        act=act,
        bn_eps=place.only((norm.eps for norm in norms), "BatchNorm's eps"),
        bn_momentum=place.only((norm.momentum for norm in norms), "BatchNorm's momentum"),
        dropout=model.drop_rate,
        padding="same" if _pads_same(model, place) else "symmetric",
        expand_divisor=DIVISOR,
        se=se,
        **ends,
    )


def _plain_act(act: BlockActivation, place: Place) -> Activation:
    if act == "linear":
        place.refuse("a stem without activation")
    return act


def _resolution(model: Any, place: Place) -> int:
    _, height, width = model.pretrained_cfg["input_size"]
    return int(place.only((height, width), "input sides"))


def _pads_same(model: nn.Module, place: Place) -> bool:
    """Tells whether strided convolutions pad as TensorFlow does; at stride 1 both are one."""
    convs = (module for module in model.modules() if isinstance(module, nn.Conv2d))
    strided = (conv for conv in convs if conv.stride != (1, 1))
    return place.only((type(conv).__name__ == "Conv2dSame" for conv in strided), "padding")


def _squeeze(blocks: list[list[BlockSeen]], place: Place) -> SqueezeSpec:
    """Returns how every gate is made; the activation in it may be each block's own."""
    gated = [(block.squeeze, block.widths.act) for stage in blocks for block in stage]
    seen = [(squeeze[0], squeeze[1], own) for squeeze, own in gated if squeeze]
    if not seen:
        return SqueezeSpec()
    gate = place.only((gate for _, gate, _ in seen), "gates")
    if all(act == own for act, _, own in seen):
        return SqueezeSpec(gate=gate)
    act = place.only((act for act, _, _ in seen), "activations in squeeze-excites")
    return SqueezeSpec(gate=gate, act=act)


def _is_head(block: BlockWidths, act: Activation) -> bool:
    """Tells whether a block is a 1×1 convolution and no more."""
    plain = (block.kernel, block.stride, block.skip, block.expand_ch) == (1, 1, False, 0)
    return plain and block.kind == "fused" and block.act == act


def _efficientnet_head(model: Any, act: Activation, place: Place) -> dict[str, Any]:
    """Returns the fields of a head before pooling."""
    if isinstance(model.conv_head, nn.Identity):
        return {"head": "none"}
    if see_norm(model.bn2, place) != act:
        place.refuse("a head with an activation of its own")
    return {"head_ch": plain_conv(model.conv_head, place).out_channels}


def _mobilenet_head(model: Any, last: BlockWidths, act: Activation, place: Place) -> dict[str, Any]:
    """Returns the fields of a layer after pooling, and of the head that is timm's last block."""
    if not isinstance(model.norm_head, nn.Identity):
        place.refuse("a hidden layer with normalisation")
    if see_act(model.act2, place) != act:
        place.refuse("a hidden layer with an activation of its own")
    conv = plain_conv(model.conv_head, place, biased=None)
    hidden = {"hidden_ch": conv.out_channels, "hidden_bias": conv.bias is not None}
    return hidden | ({"head_ch": last.out_ch} if _is_head(last, act) else {"head": "none"})
