"""`nas scale` without training: candidates and families."""

from pathlib import Path

import pytest

from search_spaces.catalog import catalog_spec
from search_spaces.codec import spec_from_json, spec_to_json
from search_spaces.cost import cost
from tests.conftest import Caller


def test_family(call: Caller, tmp_path: Path) -> None:
    words = ("scale", "mobilenetv2", "--phi", "0:2", "--constants", "1.2,1.1,1.15")
    document = call(*words, "--json").document
    assert [member["phi"] for member in document["members"]] == [0, 1, 2]
    assert [member["nominal_ratio"] for member in document["members"]] == [1, 2, 4]
    for member in document["members"]:
        assert member["macs_ratio"] == member["macs"] / document["base"]["macs"]
        assert {"params", "macs", "resolution", "depth", "width"} <= member.keys()
    assert document["path"] is None
    assert list(tmp_path.iterdir()) == []
    written = call(*words, "--out", "family-of-mine")
    assert written.status == 0
    assert "mobilenetv2_phi2" in written.out
    spec = (tmp_path / "family-of-mine" / "family" / "mobilenetv2_phi2.json").read_text()
    assert cost(spec_from_json(spec)).macs == document["members"][2]["macs"]


def test_grid_list(call: Caller) -> None:
    document = call("scale", "efficientnet_b0", "--grid", "--list", "--json").document
    assert document["points"] == 2541
    assert len(document["candidates"]) == 108
    found = [(c["alpha"], c["beta"], c["gamma"]) for c in document["candidates"]]
    assert (1.2, 1.1, 1.15) in found
    for candidate in document["candidates"]:
        assert abs(candidate["product"] - 2) < 0.1
        assert candidate["macs_ratio"] == candidate["macs"] / document["base"]["macs"]
    for_people = call("scale", "efficientnet_b0", "--grid", "--list", "--candidates", 8).out
    assert "108 of 2,541 points" in for_people
    assert for_people.count("yes") == 8


def test_a_counted_grid_list(call: Caller) -> None:
    words = ("scale", "efficientnet_b0", "--grid", "--list", "--step", 0.1, "--json")
    document = call(*words, "--constraint", "counted", "--divisor", 2).document
    assert document["candidates"]
    for candidate in document["candidates"]:
        assert abs(candidate["macs_ratio"] - 2) < 0.1
        assert {"alpha", "beta", "gamma", "product", "macs", "resolution"} <= candidate.keys()
    assert document["rounding"]["divisor"] == 2


def test_a_family_by_macs_says_how_near_it_came(call: Caller) -> None:
    words = ("scale", "efficientnet_b0", "--target-macs", "0.4G,0.8G,1.6G")
    members = call(*words, "--json").document["members"]
    assert [member["target"] for member in members] == [400e6, 800e6, 1600e6]
    for member in members:
        assert abs(member["macs"] - member["target"]) <= 0.05 * member["target"]
        assert member["is_near"] is True
    assert "rounding allows" not in call(*words).out
    far = ("scale", "mobilenetv1", "--target-macs", "0.7G")
    (member,) = call(*far, "--json").document["members"]
    assert member["is_near"] is False
    assert member["error"] == abs(member["macs"] - 700e6) / 700e6 > 0.05
    assert "are the nearest to 700M that rounding allows" in call(*far).out


@pytest.mark.parametrize(
    "name", ["resnet50", "mobilenetv1", "mobilenetv3_large", "efficientnetv2_s", "spec.json"]
)
def test_any_base_gets_smaller_and_larger(call: Caller, tmp_path: Path, name: str) -> None:
    (tmp_path / "spec.json").write_text(spec_to_json(catalog_spec("mobilenetv2@0.5")))
    words = ("scale", name, "--phi=-1.5,0,0.5,2", "--device", "cuda", "--memory", "24GiB")
    members = call(*words, "--batch", 32, "--json").document["members"]
    macs = [member["macs"] for member in members]
    assert macs == sorted(macs)
    assert len(set(macs)) == 4
    batches = [member["largest_batch"] for member in members]
    assert batches == sorted(batches, reverse=True)
    assert all(member["fits"] is (member["largest_batch"] >= 32) for member in members)
    shown = call(*words).out
    assert "nine tenths of the 24GiB of cuda" in shown
    assert "yes" in shown


def test_the_published_family(call: Caller) -> None:
    shown = call("scale", "efficientnet_b0", "--published").out
    for text in ("efficientnet_b7", "×3.10", "66.3M", "84.3%", "φ by width", "7.27"):
        assert text in shown
