"""The counts, held to fvcore's and to the modules'; memory is held to torch in test_memory."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given

from search_spaces.catalog import catalog_spec
from search_spaces.cost import cost, stage_cost
from search_spaces.errors import InputError
from search_spaces.memory import BYTES_PER_VALUE, WEIGHT_COPIES
from search_spaces.network import build
from search_spaces.spec import ArchSpec
from tests.search_spaces.strategies import arch_specs


def small(name: str, **changes: object) -> ArchSpec:
    return replace(catalog_spec(name), resolution=64, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    [
        "efficientnet_b0",
        "efficientnet_lite0",
        "efficientnetv2_b0",
        "efficientnetv2_s",
        "mnasnet_a1",
        "mobilenetv2",
        "mobilenetv1",
        "mobilenetv3_small",
        "resnet18",
        "resnet50",
    ],
)
def test_macs_equal_fvcores(name: str, reference_macs: Callable[[ArchSpec], int]) -> None:
    spec = small(name)
    assert cost(spec).macs == reference_macs(spec)


@given(spec=arch_specs())
def test_macs_equal_fvcores_for_any_spec(
    reference_macs: Callable[[ArchSpec], int], spec: ArchSpec
) -> None:
    assert cost(spec).macs == reference_macs(spec)


@given(spec=arch_specs())
def test_params_equal_the_networks(spec: ArchSpec) -> None:
    assert cost(spec).params == sum(p.numel() for p in build(spec).parameters())


@given(spec=arch_specs())
def test_stages_sum_to_the_whole(spec: ArchSpec) -> None:
    counted = cost(spec)
    for name in ("macs", "params", "activations", "train_memory_bytes"):
        assert sum(getattr(stage, name) for stage in counted.stages) == getattr(counted, name)
    alive = max(stage.live for stage in counted.stages)
    assert counted.inference_memory_bytes == BYTES_PER_VALUE * (alive + counted.params)
    assert len(counted.stages) == len(spec.stages) + 3


def test_a_stage_is_counted_the_same_alone() -> None:
    spec = small("efficientnet_b0")
    whole = cost(spec).stages
    image = 3 * 64 * 64
    assert stage_cost("stage2", spec.stage_blocks()[1], whole[1].side, held=image) == whole[2]


def test_resolution_and_batch_may_be_given() -> None:
    spec = small("mobilenetv2")
    assert cost(spec, resolution=224).macs == cost(catalog_spec("mobilenetv2")).macs
    fixed = BYTES_PER_VALUE * WEIGHT_COPIES * cost(spec).params
    one, four = (cost(spec, batch=batch).train_memory_bytes - fixed for batch in (1, 4))
    assert four == 4 * one
    weights = BYTES_PER_VALUE * cost(spec).params
    one, four = (cost(spec, batch=batch).inference_memory_bytes - weights for batch in (1, 4))
    assert four == 4 * one


@pytest.mark.parametrize("bad", [{"resolution": 0}, {"batch": 0}])
def test_sizes_below_one_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(InputError, match="at least 1"):
        cost(small("mobilenetv2"), **bad)
