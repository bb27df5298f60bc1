"""The counts, held to fvcore's, to the modules' and to what autograd really keeps."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given

from search_spaces.catalog import catalog_spec
from search_spaces.cost import BYTES_PER_VALUE, WEIGHT_COPIES, cost, stage_cost
from search_spaces.errors import InputError
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
    for name in ("macs", "params", "activations"):
        assert sum(getattr(stage, name) for stage in counted.stages) == getattr(counted, name)
    assert len(counted.stages) == len(spec.stages) + 3


def test_a_stage_is_counted_the_same_alone() -> None:
    spec = small("efficientnet_b0")
    whole = cost(spec).stages
    assert stage_cost("stage2", spec.stage_blocks()[1], whole[1].side) == whole[2]


def test_resolution_and_batch_may_be_given() -> None:
    spec = small("mobilenetv2")
    assert cost(spec, resolution=224).macs == cost(catalog_spec("mobilenetv2")).macs
    fixed = BYTES_PER_VALUE * WEIGHT_COPIES * cost(spec).params
    one, four = (cost(spec, batch=batch).train_memory_bytes - fixed for batch in (1, 4))
    assert four == 4 * one


@pytest.mark.parametrize("bad", [{"resolution": 0}, {"batch": 0}])
def test_sizes_below_one_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(InputError, match="at least 1"):
        cost(small("mobilenetv2"), **bad)


def kept_bytes(spec: ArchSpec, batch: int) -> int:
    """Sums the distinct storages, beyond parameters and buffers, that backward would read."""
    network = build(spec).train()
    own = {t.untyped_storage().data_ptr() for t in (*network.parameters(), *network.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage  # held, so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        network(torch.randn(batch, spec.in_ch, spec.resolution, spec.resolution))
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize(
    ("name", "act"),
    [
        ("efficientnet_b0", "silu"),
        ("efficientnet_lite0", "relu6"),
        ("efficientnetv2_b0", "silu"),
        ("mnasnet_a1", "relu"),
        ("mobilenetv2", "hard_swish"),
        ("resnet50", "relu"),
        ("resnet18", "silu"),
        ("mobilenetv1", "relu6"),
        ("mobilenetv3_large", "hard_swish"),
    ],
)
def test_memory_is_near_what_autograd_keeps(name: str, act: str) -> None:
    spec = small(name, act=act)
    counted = cost(spec, batch=4)
    kept = counted.train_memory_bytes - BYTES_PER_VALUE * WEIGHT_COPIES * counted.params
    assert kept == pytest.approx(kept_bytes(spec, 4), rel=0.1)
