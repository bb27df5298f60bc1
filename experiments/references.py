"""The same networks in torchvision and timm: which is which, and how to build and fill them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from search_spaces.catalog import catalog_spec
from search_spaces.libraries import import_library
from search_spaces.spec import ArchSpec, Padding

__all__ = [
    "LARGE",
    "LARGEST",
    "SMALL",
    "Reference",
    "make_reference",
    "randomise",
    "settle",
]


@dataclass(frozen=True, slots=True)
class Reference:
    """Names a network here and in a library; BatchNorm and padding are the variant's there."""

    ours: str
    library: str
    theirs: str
    bn_eps: float = 1e-3
    bn_momentum: float = 0.01
    padding: Padding = "symmetric"

    def spec(self, resolution: int) -> ArchSpec:
        """Returns our spec of the variant, without dropout."""
        spec = catalog_spec(self.ours)
        if self.theirs == "mnasnet_small":  # timm gives its first block a skip that TensorFlow's
            first, *rest = spec.stages  # original does not have
            spec = replace(spec, stages=(replace(first, skip="identity"), *rest))
        return replace(
            spec,
            bn_eps=self.bn_eps,
            bn_momentum=self.bn_momentum,
            padding=self.padding,
            dropout=0.0,
            drop_path=0.0,
            resolution=resolution,
        )


def _torch_norm(ours: str, library: str, theirs: str) -> Reference:
    return Reference(ours, library, theirs, bn_eps=1e-5, bn_momentum=0.1)


def _timm(ours: str, theirs: str = "") -> Reference:
    return _torch_norm(ours, "timm", theirs or ours)


def _tf_like(ours: str) -> Reference:
    return Reference(ours, "timm", f"tf_{ours}", bn_momentum=0.1, padding="same")


def _torchvision_v1(number: int) -> Reference:
    name = f"efficientnet_b{number}"
    made = _torch_norm if number < 5 else Reference
    return made(name, "torchvision", name)


def _torchvision_v2(size: str) -> Reference:
    theirs = f"efficientnet_v2_{size}"
    return Reference(f"efficientnetv2_{size}", "torchvision", theirs, bn_momentum=0.1)


SMALL = (
    _torchvision_v1(0),
    _torch_norm("mobilenetv2", "torchvision", "mobilenet_v2"),
    _torch_norm("mobilenetv2@1.4", "torchvision", "mobilenet_v2"),
    Reference("mnasnet_b1", "torchvision", "mnasnet1_0", bn_eps=1e-5, bn_momentum=1 - 0.9997),
    Reference("mobilenetv3_large", "torchvision", "mobilenet_v3_large"),
    Reference("mobilenetv3_small", "torchvision", "mobilenet_v3_small"),
    _torch_norm("resnet18", "torchvision", "resnet18"),
    _torch_norm("resnet50", "torchvision", "resnet50"),
    _timm("efficientnet_b0"),
    _tf_like("efficientnet_b0"),
    _timm("efficientnet_lite0"),
    _tf_like("efficientnet_lite0"),
    _tf_like("efficientnetv2_b0"),
    _tf_like("efficientnetv2_b3"),
    _timm("mnasnet_a1", "semnasnet_100"),
    _timm("mnasnet_b1", "mnasnet_100"),
    _timm("mnasnet_small"),
    _timm("mobilenetv1", "mobilenetv1_100"),
    _timm("mobilenetv1@1.25", "mobilenetv1_125"),
    _timm("mobilenetv2", "mobilenetv2_100"),
    _timm("mobilenetv2@0.5", "mobilenetv2_050"),
    _timm("mobilenetv3_large", "mobilenetv3_large_100"),
    _timm("mobilenetv3_large@0.75", "mobilenetv3_large_075"),
    _timm("mobilenetv3_small", "mobilenetv3_small_100"),
    Reference("mobilenetv3_large", "timm", "tf_mobilenetv3_large_100", 1e-3, 0.1, "same"),
    _timm("resnet18"),
    _timm("resnet50"),
)
LARGE = (
    *(_torchvision_v1(number) for number in range(1, 8)),
    *(_torchvision_v2(size) for size in "sml"),
    _torch_norm("resnet34", "torchvision", "resnet34"),
    _torch_norm("resnet101", "torchvision", "resnet101"),
    *(_timm(f"efficientnet_b{number}") for number in range(1, 9)),
    *(_timm(f"efficientnet_lite{number}") for number in range(1, 5)),
    *(_tf_like(f"efficientnetv2_{size}") for size in ("b1", "b2", "s", "m", "l", "xl")),
    _timm("mobilenetv2@1.4", "mobilenetv2_140"),
    _timm("mobilenetv3_small@0.75", "mobilenetv3_small_075"),
    _timm("resnet34"),
    _timm("resnet101"),
)
LARGEST = (_timm("efficientnet_l2"),)


def make_reference(reference: Reference) -> nn.Module:
    """Builds the library's network with random weights and without dropout."""
    library = import_library(reference.library)
    if reference.library == "timm":
        return library.create_model(reference.theirs)  # type: ignore[no-any-return]
    options = dict(_torchvision_options(reference))
    return getattr(library.models, reference.theirs)(**options)  # type: ignore[no-any-return]


def _torchvision_options(reference: Reference) -> Iterator[tuple[str, float]]:
    if "resnet" not in reference.theirs:
        yield "dropout", 0.0
    if reference.theirs.startswith("efficientnet"):
        yield "stochastic_depth_prob", 0.0
    if "@" in reference.ours:
        yield "width_mult", float(reference.ours.partition("@")[2])


@torch.no_grad()
def randomise(network: nn.Module) -> nn.Module:
    """Draws weights that keep signals of about size one, and statistics that are not the start's.

    Scales are drawn around one, so that a layer that was mixed up with another is seen.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)  # type: ignore[arg-type]
            nn.init.normal_(module.bias, 0, 0.2)
            nn.init.normal_(module.running_mean, 0, 0.2)  # type: ignore[arg-type]
        elif isinstance(module, nn.Conv2d | nn.Linear):
            fan_in = module.weight[0].numel()
            nn.init.normal_(module.weight, 0, 1 / math.sqrt(fan_in))
            if module.bias is not None:
                nn.init.normal_(module.bias, 0, 0.2)
    return network


@torch.no_grad()
def settle(network: nn.Module, images: Tensor) -> nn.Module:
    """Sets BatchNorm's statistics to those of a batch (N, C, H, W), and eval mode.

    With statistics drawn at random a deep network's signals die away from layer to layer, and its
    logits hardly depend on the images or on most of the weights.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    network.train()(images)
    return network.eval()
