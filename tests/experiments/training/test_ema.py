import pytest
import torch
from torch import nn

from experiments.training.ema import Average, decay_at


def test_the_decay_warms_up_as_tensorflows() -> None:
    assert [decay_at(t, 0.9999, warmup=True) for t in (0, 1, 10)] == [0.1, 2 / 11, 11 / 20]
    assert decay_at(10**6, 0.9999, warmup=True) == 0.9999
    assert decay_at(0, 0.9999, warmup=False) == 0.9999


def stepped(network: nn.BatchNorm1d, value: float) -> None:
    with torch.no_grad():
        network.weight.fill_(value)
        assert network.running_mean is not None
        network.running_mean.fill_(-value)


def test_weights_and_statistics_are_averaged() -> None:
    network = nn.BatchNorm1d(2)
    average = Average(network, 0.5, warmup=False)
    for value in (1.0, 2.0, 4.0):
        stepped(network, value)
        average.update(network)
    kept = average.network
    assert isinstance(kept, nn.BatchNorm1d)
    assert kept.running_mean is not None
    assert kept.weight.tolist() == [2.75, 2.75]  # ((1 + 2)/2 + 4)/2
    assert kept.running_mean.tolist() == [-2.75, -2.75]
    assert network.weight.tolist() == [4.0, 4.0]


@pytest.mark.parametrize("warmup", [True, False])
def test_an_average_goes_on_from_its_state(warmup: bool) -> None:
    network = nn.BatchNorm1d(2)
    whole, first = (Average(network, 0.9, warmup=warmup) for _ in range(2))
    for value in (1.0, 5.0):
        stepped(network, value)
        whole.update(network)
        first.update(network)
    second = Average(nn.BatchNorm1d(2), 0.9, warmup=warmup)
    second.load_state_dict(first.state_dict())
    stepped(network, -3.0)
    whole.update(network)
    second.update(network)
    one, two = whole.network.state_dict(), second.network.state_dict()
    assert all(torch.equal(value, two[name]) for name, value in one.items())
