"""Weights to and from torchvision and timm: the same numbers, the same logits."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from search_spaces.catalog import catalog_spec
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.foreign import foreign_state, load_foreign
from search_spaces.network import Network, build
from search_spaces.spec import ArchSpec
from search_spaces.timm_models import family_names, timm_spec

Reference = Callable[["Shared"], nn.Module]


@dataclass(frozen=True)
class Shared:
    """Names a network here and there; BatchNorm and padding are the variant's there."""

    ours: str
    library: str
    theirs: str
    bn_eps: float = 1e-3
    bn_momentum: float = 0.01
    padding: str = "symmetric"

    def spec(self) -> ArchSpec:
        spec = catalog_spec(self.ours)
        if self.theirs == "mnasnet_small":  # timm gives its first block a skip that TensorFlow's
            first, *rest = spec.stages  # original does not have
            spec = replace(spec, stages=(replace(first, skip="identity"), *rest))
        return replace(
            spec,
            bn_eps=self.bn_eps,
            bn_momentum=self.bn_momentum,
            padding=self.padding,  # type: ignore[arg-type]
            dropout=0.0,
            drop_path=0.0,
            resolution=64,
        )


def torch_norm(ours: str, library: str, theirs: str) -> Shared:
    return Shared(ours, library, theirs, bn_eps=1e-5, bn_momentum=0.1)


def tf_like(ours: str) -> Shared:
    return Shared(ours, "timm", f"tf_{ours}", bn_momentum=0.1, padding="same")


QUICK = [
    torch_norm("efficientnet_b0", "torchvision", "efficientnet_b0"),
    torch_norm("mobilenetv2", "torchvision", "mobilenet_v2"),
    torch_norm("mobilenetv2@1.4", "torchvision", "mobilenet_v2"),
    Shared("mnasnet_b1", "torchvision", "mnasnet1_0", bn_eps=1e-5, bn_momentum=1 - 0.9997),
    Shared("mobilenetv3_large", "torchvision", "mobilenet_v3_large"),
    Shared("mobilenetv3_small", "torchvision", "mobilenet_v3_small"),
    torch_norm("resnet18", "torchvision", "resnet18"),
    torch_norm("resnet50", "torchvision", "resnet50"),
    torch_norm("efficientnet_b0", "timm", "efficientnet_b0"),
    tf_like("efficientnet_b0"),
    torch_norm("efficientnet_lite0", "timm", "efficientnet_lite0"),
    tf_like("efficientnet_lite0"),
    tf_like("efficientnetv2_b0"),
    tf_like("efficientnetv2_b3"),
    torch_norm("mnasnet_a1", "timm", "semnasnet_100"),
    torch_norm("mnasnet_b1", "timm", "mnasnet_100"),
    torch_norm("mnasnet_small", "timm", "mnasnet_small"),
    torch_norm("mobilenetv1", "timm", "mobilenetv1_100"),
    torch_norm("mobilenetv1@1.25", "timm", "mobilenetv1_125"),
    torch_norm("mobilenetv2", "timm", "mobilenetv2_100"),
    torch_norm("mobilenetv2@0.5", "timm", "mobilenetv2_050"),
    torch_norm("mobilenetv3_large", "timm", "mobilenetv3_large_100"),
    torch_norm("mobilenetv3_large@0.75", "timm", "mobilenetv3_large_075"),
    torch_norm("mobilenetv3_small", "timm", "mobilenetv3_small_100"),
    Shared("mobilenetv3_large", "timm", "tf_mobilenetv3_large_100", 1e-3, 0.1, "same"),
    torch_norm("resnet18", "timm", "resnet18"),
    torch_norm("resnet50", "timm", "resnet50"),
]
LONG = [
    *(torch_norm(f"efficientnet_b{n}", "torchvision", f"efficientnet_b{n}") for n in range(1, 5)),
    *(Shared(f"efficientnet_b{n}", "torchvision", f"efficientnet_b{n}") for n in range(5, 8)),
    *(
        Shared(f"efficientnetv2_{n}", "torchvision", f"efficientnet_v2_{n}", 1e-3, 0.1)
        for n in "sml"
    ),
    torch_norm("resnet34", "torchvision", "resnet34"),
    torch_norm("resnet101", "torchvision", "resnet101"),
    *(torch_norm(f"efficientnet_b{n}", "timm", f"efficientnet_b{n}") for n in range(1, 9)),
    *(torch_norm(f"efficientnet_lite{n}", "timm", f"efficientnet_lite{n}") for n in range(1, 5)),
    *(tf_like(f"efficientnetv2_{n}") for n in ("b1", "b2", "s", "m", "l", "xl")),
    torch_norm("mobilenetv2@1.4", "timm", "mobilenetv2_140"),
    torch_norm("mobilenetv3_small@0.75", "timm", "mobilenetv3_small_075"),
    torch_norm("resnet34", "timm", "resnet34"),
    torch_norm("resnet101", "timm", "resnet101"),
]

READ = ["tinynet_e", "fbnetc_100", "efficientnet_b1_pruned", "lcnet_050", "mobilenetv3_rw"]
MOST_MACS = 200_000_000  # at 64×64 pixels; larger networks are made of the same parts


@pytest.fixture(scope="module")
def reference(references: SimpleNamespace) -> Reference:
    """Makes the other library's network, without dropout."""

    def make(shared: Shared) -> nn.Module:
        if shared.library == "timm":
            return references.timm.create_model(shared.theirs)  # type: ignore[no-any-return]
        options: dict[str, Any] = {"dropout": 0.0} if "resnet" not in shared.theirs else {}
        if shared.theirs.startswith("efficientnet"):
            options["stochastic_depth_prob"] = 0.0
        if "@" in shared.ours:
            options["width_mult"] = float(shared.ours.partition("@")[2])
        return getattr(references.torchvision.models, shared.theirs)(**options)  # type: ignore[no-any-return]

    return make


def randomised(network: nn.Module) -> nn.Module:
    """Draws weights that keep signals of about size one, and statistics that are not the start's.

    Scales are drawn around one, so that a layer that was mixed up with another is seen.
    """
    with torch.no_grad():
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


def largest_difference(ours: Network, theirs: nn.Module, x: Tensor) -> float:
    with torch.no_grad():
        one, other = ours(x), theirs(x)
    assert one.shape == other.shape
    assert one.std() > 1e-3, "logits that are all alike would show nothing"
    return float((one - other).abs().max())


def assert_agreement(spec: ArchSpec, theirs: nn.Module) -> None:
    theirs = randomised(theirs)
    ours = build(spec)
    x = torch.randn(4, 3, 64, 64)
    for dtype, most in ((torch.float32, 1e-4), (torch.float64, 1e-9)):
        ours.to(dtype), theirs.to(dtype)
        load_foreign(ours, theirs.state_dict())
        for training in (False, True):
            ours.train(training), theirs.train(training)
            assert largest_difference(ours, theirs, x.to(dtype)) <= most
    # Training moved the statistics; the way back brings them along.
    back = foreign_state(ours, theirs.state_dict())
    for name, tensor in theirs.state_dict().items():
        assert back[name].shape == tensor.shape
        assert torch.allclose(back[name], tensor, atol=1e-4), name
    theirs.load_state_dict(back)
    assert largest_difference(ours.eval(), theirs.eval(), x.double()) <= 1e-9


@pytest.mark.parametrize("shared", QUICK, ids=lambda s: f"{s.library}-{s.theirs}-{s.ours}")
def test_logits_agree(shared: Shared, reference: Reference) -> None:
    torch.manual_seed(0)
    assert_agreement(shared.spec(), reference(shared))


@pytest.mark.slow
@pytest.mark.parametrize("shared", LONG, ids=lambda s: f"{s.library}-{s.theirs}-{s.ours}")
def test_logits_of_the_large_agree(shared: Shared, reference: Reference) -> None:
    torch.manual_seed(0)
    assert_agreement(shared.spec(), reference(shared))


@pytest.mark.parametrize("name", READ)
def test_logits_of_networks_read_from_timm_agree(name: str, references: SimpleNamespace) -> None:
    torch.manual_seed(0)
    assert_agreement(timm_spec(name), references.timm.create_model(name))


@pytest.mark.slow
def test_logits_of_all_that_is_read_from_timm_agree(references: SimpleNamespace) -> None:
    agreed = 0
    for name in family_names():
        try:
            spec = timm_spec(name)
        except InputError:
            continue
        if cost(spec, resolution=64).macs > MOST_MACS:
            continue
        torch.manual_seed(0)
        assert_agreement(spec, references.timm.create_model(name))
        agreed += 1
    assert agreed >= 88


def test_the_largest_has_the_same_tensors(references: SimpleNamespace) -> None:
    with torch.device("meta"):
        theirs = references.timm.create_model("efficientnet_l2").state_dict()
        back = foreign_state(build(catalog_spec("efficientnet_l2")), theirs)
    assert {name: t.shape for name, t in back.items()} == {n: t.shape for n, t in theirs.items()}


def test_weights_of_another_network_are_refused() -> None:
    small, large = (build(catalog_spec(f"mobilenetv3_{size}")) for size in ("small", "large"))
    with pytest.raises(InputError, match="not of mobilenetv3_small") as error:
        load_foreign(small, large.state_dict())
    assert "\n" not in str(error.value)


def test_weights_of_another_width_are_refused(reference: Reference) -> None:
    theirs = reference(torch_norm("resnet18", "torchvision", "resnet18"))
    with pytest.raises(InputError, match=r"conv1.weight has shape \(64, 3, 7, 7\)") as error:
        load_foreign(build(catalog_spec("resnet18@0.5")), theirs.state_dict())
    assert "\n" not in str(error.value)
