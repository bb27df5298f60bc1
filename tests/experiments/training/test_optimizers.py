import math

import pytest
import torch

from experiments.recipes import load_recipe
from experiments.training.optimizers import RMSpropTF, make_optimizer
from search_spaces.network import build
from search_spaces.spec import ArchSpec


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_rmsprop_is_tensorflows(weight_decay: float) -> None:
    values, grads = [1.0, -2.0], [[0.5, -1.0], [0.25, 3.0], [0.0, -0.5]]
    weights = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    optimizer = RMSpropTF([weights], 0.1, eps=1e-3, weight_decay=weight_decay)
    square, moment = [1.0, 1.0], [0.0, 0.0]
    for grad in grads:
        weights.grad = torch.tensor(grad, dtype=torch.float64)
        optimizer.step()
        for i in range(2):
            g = grad[i] + weight_decay * values[i]
            square[i] = 0.9 * square[i] + 0.1 * g * g
            moment[i] = 0.9 * moment[i] + 0.1 * g / math.sqrt(square[i] + 1e-3)
            values[i] -= moment[i]
        assert weights.tolist() == pytest.approx(values, rel=1e-12)


def test_rmsprop_follows_the_rate_of_each_step_and_leaves_frozen_weights() -> None:
    moving, frozen = (torch.ones(1, requires_grad=True) for _ in range(2))
    optimizer = RMSpropTF([moving, frozen], 1.0, momentum=0.0, decay=0.0, eps=1e-12)
    moving.grad = torch.full((1,), 4.0)
    optimizer.param_groups[0]["lr"] = 0.25
    optimizer.step()
    assert moving.item() == pytest.approx(0.75)  # the gradient over its own size, times the rate
    assert frozen.item() == 1.0
    assert optimizer.step(lambda: 7.0) == 7.0


def test_rmsprop_goes_on_from_its_state() -> None:
    def run(steps: range, weights: torch.Tensor, optimizer: RMSpropTF) -> None:
        for step in steps:
            weights.grad = torch.sin(weights.detach() * (step + 1))
            optimizer.step()

    whole, part = (torch.linspace(-1, 1, 5, requires_grad=True) for _ in range(2))
    run(range(6), whole, RMSpropTF([whole], 0.01))
    first = RMSpropTF([part], 0.01)
    run(range(3), part, first)
    second = RMSpropTF([part], 0.01)
    second.load_state_dict(first.state_dict())
    run(range(3, 6), part, second)
    assert torch.equal(whole, part)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop"])
def test_biases_and_batchnorm_do_not_decay(tiny: ArchSpec, optimizer: str) -> None:
    network = build(tiny)
    made = make_optimizer(network, load_recipe("fast", {"optimizer": optimizer}))
    decayed, others = made.param_groups
    assert decayed["weight_decay"] > others["weight_decay"] == 0
    assert all(p.ndim > 1 for p in decayed["params"])
    assert all(p.ndim == 1 for p in others["params"])
    assert len(decayed["params"]) + len(others["params"]) == len(list(network.parameters()))
