"""What the modules of timm's blocks are, or the name of what no spec can express in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from torch import nn

from search_spaces.blocks import ACTIVATIONS, GATES
from search_spaces.dialects import DIALECTS
from search_spaces.errors import InputError
from search_spaces.grouping import BlockWidths
from search_spaces.spec import Activation, BlockActivation, BlockKind, Gate

__all__ = ["NORM", "BlockSeen", "Place", "plain_conv", "see_act", "see_block", "see_norm"]

T = TypeVar("T")

# A block's kind and the convolutions on its path, by the name of timm's class.
BLOCKS: dict[str, tuple[BlockKind, tuple[str, ...]]] = {
    "InvertedResidual": ("mbconv", ("expand", "depthwise", "project")),
    "DepthwiseSeparableConv": ("mbconv", ("depthwise", "project")),
    "EdgeResidual": ("fused", ("expand", "project")),
    "ConvBnAct": ("fused", ("project",)),
}
CONVOLUTIONS = ("Conv2d", "Conv2dSame")
NORM = "BatchNormAct2d"
GATED = "SqueezeExcite"
FEATURES = {
    "CondConv2d": "CondConv experts",
    "CondConvResidual": "CondConv experts",
    "MobileAttention": "attention",
    "UniversalInvertedResidual": "a universal inverted residual",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Names a place in a network, as `timm:mixnet_s: blocks.1.0`."""

    name: str

    def refuse(self, feature: str) -> NoReturn:
        """Raises `InputError`: there is something that cannot be expressed."""
        raise InputError(f"{self.name}: {feature} cannot be expressed")

    def only(self, values: Iterable[T], what: str) -> T:
        """Returns the value that all of them are, and refuses `what` that differs."""
        first, *others = dict.fromkeys(values)
        if others:
            self.refuse(f"{what} of two kinds, {first} and {others[0]},")
        return first


@dataclass(frozen=True, slots=True)
class BlockSeen:
    """Holds a block's widths and, where it has a squeeze-excite, the activation and gate of it."""

    widths: BlockWidths
    squeeze: tuple[Activation, Gate] | None


def _class(module: nn.Module) -> str:
    return type(module).__name__


def plain_conv(
    module: nn.Module, place: Place, *, depthwise: bool = False, biased: bool | None = False
) -> nn.Conv2d:
    """Returns a convolution, having refused what a spec cannot express of it.

    `biased` tells whether it must have a bias (None: it may).
    """
    if _class(module) == "MixedConv2d":
        kernels = [m.kernel_size[0] for m in module.children() if isinstance(m, nn.Conv2d)]
        place.refuse(f"mixed kernels {kernels}")
    if not isinstance(module, nn.Conv2d) or _class(module) not in CONVOLUTIONS:
        place.refuse(FEATURES.get(_class(module), f"a convolution by {_class(module)}"))
    side = module.kernel_size[0]
    if module.groups != (module.in_channels if depthwise else 1):
        place.refuse(f"a convolution in {module.groups} groups")
    if module.kernel_size != (side, side) or side % 2 == 0:
        place.refuse(f"a kernel of {module.kernel_size}")
    if module.dilation != (1, 1):
        place.refuse(f"a dilation of {module.dilation}")
    if biased is not None and (module.bias is not None) is not biased:
        place.refuse(f"a convolution {'without' if biased else 'with'} bias")
    if _class(module) == "Conv2d" and module.padding != (side // 2, side // 2):
        place.refuse(f"a padding of {module.padding}")
    return module


def see_act(module: nn.Module, place: Place) -> BlockActivation:
    """Returns which activation a module is."""
    if isinstance(module, nn.Identity):
        return "linear"
    names = {made: name for name, made in ACTIVATIONS.items()}
    return names.get(type(module)) or place.refuse(f"the activation {_class(module)}")


def see_norm(module: nn.Module, place: Place) -> BlockActivation:
    """Returns the activation of a BatchNorm with activation, and refuses other norms."""
    if _class(module) != NORM:
        place.refuse(f"normalisation by {_class(module)}")
    return see_act(module.get_submodule("act"), place)


def _see_squeeze(module: nn.Module, place: Place) -> tuple[int, tuple[Activation, Gate] | None]:
    """Returns the squeeze width, the activation and the gate; 0 and None where there is none."""
    if isinstance(module, nn.Identity):
        return 0, None
    if _class(module) != GATED:
        place.refuse(f"a gate by {_class(module)}")
    gates = {made: name for name, made in GATES.items()}
    gate = module.get_submodule("gate")
    act = see_act(module.get_submodule("act1"), place)
    reduce = plain_conv(module.get_submodule("conv_reduce"), place, biased=True)
    if type(gate) not in gates or act == "linear":
        place.refuse(f"a squeeze-excite with {act} and {_class(gate)}")
    return reduce.out_channels, (act, gates[type(gate)])


def see_block(block: nn.Module, place: Place) -> BlockSeen:
    """Returns what a block of timm's is made of; refuses one that no spec can express."""
    name, nothing = _class(block), nn.Identity()
    if name not in BLOCKS:
        place.refuse(FEATURES.get(name, f"a block {name}"))
    if getattr(block, "conv_s2d", None) is not None:
        place.refuse("space to depth")
    if not isinstance(getattr(block, "aa", nothing), nn.Identity):
        place.refuse("anti-aliasing")
    kind, layers = BLOCKS[name]
    convs, acts = {}, []
    for layer, (conv, norm) in zip(layers, DIALECTS["timm"].paths[layers], strict=True):
        is_depthwise = layer == "depthwise"
        convs[layer] = plain_conv(block.get_submodule(conv), place, depthwise=is_depthwise)
        acts.append(see_norm(block.get_submodule(norm), place))
    spatial = _spatial(convs, place)
    kind, act = _kind_and_act(kind, acts, place)
    squeeze_ch, squeeze = _see_squeeze(getattr(block, "se", nothing), place)
    widths = BlockWidths(
        kind=kind,
        kernel=spatial.kernel_size[0],
        stride=spatial.stride[0],
        in_ch=convs[layers[0]].in_channels,
        out_ch=convs["project"].out_channels,
        act=act,
        skip=bool(block.has_skip),
        expand_ch=convs["expand"].out_channels if "expand" in convs else 0,
        squeeze_ch=squeeze_ch,
    )
    return BlockSeen(widths, squeeze)


def _spatial(convs: dict[str, nn.Conv2d], place: Place) -> nn.Conv2d:
    """Returns the one convolution of a block that may be larger than 1×1."""
    name = "depthwise" if "depthwise" in convs else next(iter(convs))
    for other, conv in convs.items():
        if other != name and (conv.kernel_size, conv.stride) != ((1, 1), (1, 1)):
            place.refuse(f"a {conv.kernel_size[0]}×{conv.kernel_size[1]} convolution to {other}")
    return convs[name]


def _kind_and_act(
    kind: BlockKind, acts: list[BlockActivation], place: Place
) -> tuple[BlockKind, BlockActivation]:
    """Returns the block's activation, and its kind now that the last layer's is known."""
    *inner, last = acts
    if not inner:
        return kind, last
    act = place.only(inner, "activations")
    if last == "linear":
        return kind, act
    if len(acts) != 2 or kind != "mbconv" or last != act:
        place.refuse(f"{last} after a block's last convolution")
    return "dsconv", act
