"""The memory of training in mixed precision, against what torch keeps under autocast."""

from dataclasses import replace

import pytest
import torch

from experiments.memory import saved_bytes
from search_spaces.catalog import catalog_spec
from search_spaces.cost import cost
from search_spaces.network import build
from search_spaces.train_memory import TrainMemory, train_memory

BATCH, SIDE = 2, 48


@pytest.mark.parametrize("name", ["mobilenetv3_small", "resnet18"])
def test_mixed_precision_keeps_what_is_estimated(name: str) -> None:
    # The CPU's autocast casts convolutions and linear layers to bfloat16 as the GPU's does.
    spec = replace(catalog_spec(name), resolution=SIDE, drop_path=0.0, dropout=0.0)
    network = build(spec).train()
    images = torch.randn(BATCH, 3, SIDE, SIDE)
    with torch.autocast("cpu", torch.bfloat16):
        kept = saved_bytes(network, images)
    images_themselves = images.numel() * images.element_size()  # the first layer keeps a copy
    four_copies = 16 * cost(spec).params
    estimated = train_memory(spec, mixed=True).of(BATCH)
    assert estimated == pytest.approx(kept + images_themselves + four_copies, rel=0.01)


def test_float32_is_what_cost_says() -> None:
    spec = catalog_spec("efficientnet_b0")
    memory = train_memory(spec)
    assert [memory.of(n) for n in (1, 7)] == [
        cost(spec, batch=n).train_memory_bytes for n in (1, 7)
    ]


def test_a_batch_of_one_does_not_train() -> None:
    memory = TrainMemory(fixed=100, per_image=10)
    assert [memory.largest_batch(n) for n in (99, 119, 120, 135)] == [0, 0, 2, 3]
