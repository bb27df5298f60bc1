"""B0–B7 and the other published families, exactly."""

import pytest

from scaling.compound import PAPER, Constants
from scaling.published import PhiByDimension, published_family, published_figures
from search_spaces.catalog import catalog_spec
from search_spaces.errors import InputError

PHIS = (0.0, 0.34, 0.97, 1.85, 3.34, 4.54, 5.55, 6.48)


def test_efficientnets_members_are_the_catalogs_own() -> None:
    members = published_family("efficientnet_b0")[:8]
    assert [member.name for member in members] == [f"efficientnet_b{i}" for i in range(8)]
    for member, phi in zip(members, PHIS, strict=True):
        assert member.spec == catalog_spec(member.name)
        assert round(member.phi, 2) == phi
        assert member.nominal_ratio == pytest.approx(
            member.depth * member.width**2 * (member.resolution / 224) ** 2
        )
    # The paper's own figures: 66M params and 37B at 600 pixels, 97.8 times B0's counted MACs.
    assert members[7].params == 66_347_960
    assert (members[7].depth, members[7].width, members[7].resolution) == (3.1, 2.0, 600)
    assert members[7].macs_ratio == pytest.approx(97.8, abs=0.05)


@pytest.mark.parametrize("name", ["efficientnet_lite3", "efficientnetv2_b3", "efficientnet_b7"])
def test_any_member_names_its_family(name: str) -> None:
    members = published_family(name)
    assert name in [member.name for member in members]
    assert (members[0].phi, members[0].macs_ratio) == (0, 1)
    assert published_family(members[0].name) == members


def test_b7_needs_another_phi_for_each_dimension() -> None:
    members = published_family("efficientnet_b0")
    found = PhiByDimension.of(members[7], 224, PAPER)
    assert (found.depth, found.width, found.resolution) == (6.2055, 7.2725, 7.0497)
    assert PhiByDimension.of(members[7], 224, Constants(1.2, 1.1, 1)).resolution is None


def test_published_figures_stand_beside() -> None:
    assert published_figures("efficientnet_b7") == {"params": "66M", "macs": "37G", "top1": 84.3}
    assert published_figures("efficientnet_b8")["macs"] is None


@pytest.mark.parametrize("name", ["mobilenetv2", "resnet50", "efficientnetv2_s", "mine"])
def test_a_network_without_a_family_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(InputError, match="efficientnet_b0, efficientnet_lite0, efficientnetv2_b0"):
        published_family(name)
