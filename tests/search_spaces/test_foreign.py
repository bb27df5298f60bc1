"""Weights to and from torchvision and timm: the same numbers, the same logits."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from experiments.references import (
    LARGE,
    LARGEST,
    SMALL,
    Reference,
    make_reference,
    randomise,
)
from search_spaces.catalog import catalog_spec
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.foreign import foreign_state, load_foreign
from search_spaces.network import Network, build
from search_spaces.spec import ArchSpec
from search_spaces.timm_models import family_names, timm_spec

READ = ["tinynet_e", "fbnetc_100", "efficientnet_b1_pruned", "lcnet_050", "mobilenetv3_rw"]
MOST_MACS = 200_000_000  # at 64×64 pixels; larger networks are made of the same parts

pytestmark = pytest.mark.usefixtures("references")


def largest_difference(ours: Network, theirs: nn.Module, x: Tensor) -> float:
    with torch.no_grad():
        one, other = ours(x), theirs(x)
    assert one.shape == other.shape
    assert one.std() > 1e-3, "logits that are all alike would show nothing"
    return float((one - other).abs().max())


def assert_agreement(spec: ArchSpec, theirs: nn.Module) -> None:
    theirs = randomise(theirs)
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


@pytest.mark.parametrize("shared", SMALL, ids=lambda s: f"{s.library}-{s.theirs}-{s.ours}")
def test_logits_agree(shared: Reference) -> None:
    torch.manual_seed(0)
    assert_agreement(shared.spec(64), make_reference(shared))


@pytest.mark.slow
@pytest.mark.parametrize("shared", LARGE, ids=lambda s: f"{s.library}-{s.theirs}-{s.ours}")
def test_logits_of_the_large_agree(shared: Reference) -> None:
    torch.manual_seed(0)
    assert_agreement(shared.spec(64), make_reference(shared))


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


def test_the_largest_has_the_same_tensors() -> None:
    with torch.device("meta"):
        theirs = make_reference(LARGEST[0]).state_dict()
        back = foreign_state(build(catalog_spec("efficientnet_l2")), theirs)
    assert {name: t.shape for name, t in back.items()} == {n: t.shape for n, t in theirs.items()}


def test_weights_of_another_network_are_refused() -> None:
    small, large = (build(catalog_spec(f"mobilenetv3_{size}")) for size in ("small", "large"))
    with pytest.raises(InputError, match="not of mobilenetv3_small") as error:
        load_foreign(small, large.state_dict())
    assert "\n" not in str(error.value)


def test_weights_of_another_width_are_refused() -> None:
    (resnet,) = (one for one in SMALL if (one.library, one.theirs) == ("torchvision", "resnet18"))
    theirs = make_reference(resnet)
    with pytest.raises(InputError, match=r"conv1.weight has shape \(64, 3, 7, 7\)") as error:
        load_foreign(build(catalog_spec("resnet18@0.5")), theirs.state_dict())
    assert "\n" not in str(error.value)
