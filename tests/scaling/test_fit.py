"""Published networks brought to MACs targets."""

import math
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.fit import fit_macs
from search_spaces.catalog import catalog_spec
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.resize import Rounding
from search_spaces.spec import ArchSpec

NAMES = ("mobilenetv2", "efficientnet_b0")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("resolution", "max_stride", "target"),
    [(16, 4, 2e6), (32, 8, 20e6), (224, 32, 200e6), (224, 32, 400e6)],
)
def test_a_network_is_brought_to_its_target(
    name: str, resolution: int, max_stride: int, target: float
) -> None:
    fitted = fit_macs(
        catalog_spec(name), target, resolution=resolution, num_classes=10, max_stride=max_stride
    )
    assert abs(cost(fitted).macs - target) <= 0.1 * target
    assert (fitted.resolution, fitted.num_classes) == (resolution, 10)
    assert fitted.total_stride <= max_stride
    assert fitted.name == f"{name}_{target / 1e6:g}M"


@given(
    name=st.sampled_from(NAMES),
    target=st.floats(1e6, 60e6),
    resolution=st.sampled_from([16, 32, 48]),
    tolerance=st.sampled_from([0.05, 0.1, 0.2]),
)
def test_any_target_of_small_images_is_met(
    name: str, target: float, resolution: int, tolerance: float
) -> None:
    fitted = fit_macs(
        catalog_spec(name), target, resolution=resolution, max_stride=8, tolerance=tolerance
    )
    assert abs(cost(fitted).macs - target) <= tolerance * target


def test_a_network_at_its_target_stays_as_it_is(b0: ArchSpec) -> None:
    fitted = fit_macs(b0, cost(b0).macs, name="mine")
    assert fitted == replace(b0, name="mine")


def test_depth_is_kept_where_width_suffices(b0: ArchSpec) -> None:
    assert fit_macs(b0, 200e6).depth == b0.depth


def test_depth_gives_way_where_width_is_not_enough(b0: ArchSpec) -> None:
    slim = fit_macs(b0, 16e6)  # at divisor 8 and full depth the narrowest B0 has 22M
    assert slim.depth < b0.depth
    assert abs(cost(slim).macs - 16e6) <= 1.6e6
    assert all(stage.out_ch % 8 == 0 for stage in slim.stages)


def test_a_finer_divisor_is_the_last_resort(b0: ArchSpec) -> None:
    fine = fit_macs(b0, 0.7e6, resolution=16, num_classes=10, max_stride=4)
    assert any(stage.out_ch % 8 for stage in fine.stages)
    coarse = Rounding(divisor=2)
    assert fit_macs(b0, 200e6, rounding=coarse).stem_ch % 2 == 0


def test_an_unreachable_target_says_what_is_nearest(b0: ArchSpec) -> None:
    with pytest.raises(InputError, match=r"within 10% of 0\.001M MACs; the nearest is \d") as error:
        fit_macs(b0, 1000)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="the nearest is"):
        fit_macs(b0, 1e15)


@pytest.mark.parametrize(
    ("target", "options", "named"),
    [
        (0, {}, "target 0 MACs"),
        (math.nan, {}, "target nan MACs"),
        (1e6, {"tolerance": 0}, "tolerance 0"),
        (1e6, {"resolution": 0}, "resolution is 0"),
        (1e6, {"num_classes": 0}, "num_classes is 0"),
    ],
)
def test_values_without_sense_are_refused(
    b0: ArchSpec, target: float, options: dict[str, int], named: str
) -> None:
    with pytest.raises(InputError, match=named):
        fit_macs(b0, target, **options)  # type: ignore[arg-type]


def test_scaling_needs_no_torch() -> None:
    code = (
        "import scaling.compound, scaling.grid, scaling.family, scaling.fit, sys; "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
