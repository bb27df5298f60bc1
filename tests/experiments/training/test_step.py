from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from experiments.device import Device
from experiments.training.step import LossStep, Stepper, classification_loss
from search_spaces.errors import RunError


def network() -> nn.Sequential:
    """Gives a network in float64 whose images do not see one another."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 6, 3), nn.SiLU(), nn.Conv2d(6, 4, 2), nn.Flatten(), nn.Linear(36, 5)]
    return nn.Sequential(*layers).double()


IMAGES = torch.rand(10, 3, 6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
LABELS = torch.arange(10) % 5


def noisy(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    return images + torch.rand_like(images), labels


def made(
    device: Device, *, loss: LossStep | None = None, notes: list[str] | None = None
) -> Stepper:
    net = network()
    sgd = torch.optim.SGD(net.parameters(), lr=0.0, momentum=0.9)
    on_note: Callable[[str], None] | None = None if notes is None else notes.append
    return Stepper(net, sgd, loss or classification_loss(0.1), device, on_note=on_note)


def run(stepper: Stepper, micro_batch: int, steps: int = 3) -> list[float]:
    torch.manual_seed(5)
    return [
        float(stepper.step(IMAGES, LABELS, rate=0.5, prepare=noisy, micro_batch=micro_batch))
        for _ in range(steps)
    ]


def distance(one: Stepper, two: Stepper) -> float:
    pairs = zip(one.network.parameters(), two.network.parameters(), strict=True)
    return max(float((a - b).abs().max().detach()) for a, b in pairs)


@pytest.mark.parametrize("micro_batch", [7, 5, 3, 2])
def test_parts_of_a_batch_step_as_the_whole_does(cpu: Device, micro_batch: int) -> None:
    whole, parts = made(cpu), made(cpu)
    losses = run(whole, 10)
    assert run(parts, micro_batch) == pytest.approx(losses, abs=1e-12)
    assert distance(whole, parts) < 1e-12
    assert distance(whole, made(cpu)) > 1e-2, "and the weights have moved"


def test_shares_of_classes_can_be_labels(cpu: Device) -> None:
    loss = classification_loss(0.0)
    net, shares = network(), torch.eye(5, dtype=torch.float64)[LABELS]
    assert torch.allclose(loss(net, IMAGES, shares), loss(net, IMAGES, LABELS))
    mixed = 0.3 * shares + 0.7 * shares.roll(1, 0)
    wanted = 0.3 * loss(net, IMAGES, LABELS) + 0.7 * loss(net, IMAGES, LABELS.roll(1))
    assert torch.allclose(loss(net, IMAGES, mixed), wanted)


class SmallMemory:
    """Fails as a GPU does, once statistics have been updated, on parts of more than `most`."""

    def __init__(self, most: int) -> None:
        self.most, self.sizes = most, list[int]()
        self.inner = classification_loss(0.1)

    def __call__(self, net: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
        self.sizes.append(len(inputs))
        loss = self.inner(net, inputs, labels)
        if len(inputs) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return loss


def test_a_gpu_out_of_memory_gets_halves_and_the_same_step(cpu: Device) -> None:
    notes: list[str] = []
    memory = SmallMemory(3)
    short, whole = made(cpu, loss=memory, notes=notes), made(cpu)
    short.recovers = True
    assert run(short, 10) == pytest.approx(run(whole, 10), abs=1e-12)
    assert distance(short, whole) < 1e-12
    assert memory.sizes[:3] == [10, 5, 3], "two halvings, then three parts and a last one"
    assert max(memory.sizes[2:]) <= 3
    assert short.micro_batch == 3
    assert [note.split(":")[0] for note in notes] == ["the GPU ran out of memory"] * 2
    assert "3 images at a time" in notes[-1]


def test_statistics_and_random_numbers_are_as_before_the_failure(cpu: Device) -> None:
    def with_norm() -> nn.Sequential:
        torch.manual_seed(0)
        layers = [nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Flatten(), nn.Linear(108, 5)]
        return nn.Sequential(*layers).double()

    states = []
    for most, recovers in ((10, False), (5, True)):
        net = with_norm()
        sgd = torch.optim.SGD(net.parameters(), lr=0.0)
        stepper = Stepper(net, sgd, SmallMemory(most), cpu)
        stepper.recovers = recovers
        torch.manual_seed(2)
        stepper.step(IMAGES, LABELS, rate=0.1, prepare=noisy, micro_batch=10 if recovers else 5)
        states.append(net.state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_a_network_of_which_two_images_do_not_fit(cpu: Device) -> None:
    stepper = made(cpu, loss=SmallMemory(1))
    stepper.recovers = True
    with pytest.raises(RunError, match="does not hold even 2 images of this network in training"):
        run(stepper, 10)


def test_nothing_is_caught_where_there_is_no_gpu(cpu: Device) -> None:
    with pytest.raises(torch.OutOfMemoryError):
        run(made(cpu, loss=SmallMemory(3)), 10)
