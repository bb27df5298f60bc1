"""What data and augmentation take of a training step, for images of CIFAR-10's size."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from experiments.bench.timing import Rows, time_in_turns, timing_row
from experiments.device import Device, pick_device
from experiments.progressive import make_stages
from experiments.recipes import Recipe, load_recipe, recipe_names
from experiments.tensors import Normalize, PartTensors, batches
from experiments.training.augment import Augment
from experiments.training.mixing import Mixing
from experiments.training.optimizers import make_optimizer
from experiments.training.step import Stepper, classification_loss
from scaling.fit import fit_macs
from search_spaces.catalog import catalog_spec
from search_spaces.network import build
from search_spaces.spec import ArchSpec

__all__ = ["bench_augment"]

SIDE, CLASSES, IMAGES = 32, 10, 10_000
CPU_MACS, CUDA_MACS = 5e6, 50e6
TURNS = 5
Work = Callable[[], object]
Batch = Callable[[], tuple[Tensor, Tensor]]


def bench_augment() -> Rows:
    """Times, in turns, the batch with its augmentation and the training step that follows.

    A row a recipe, at its own batch size and the last stage of its augmentation; the network is
    EfficientNet-B0 at 32 pixels, total stride 8, brought to 5M MACs (50M on a GPU).
    """
    device = pick_device("auto")
    macs = CUDA_MACS if device.is_cuda else CPU_MACS
    spec = fit_macs(
        catalog_spec("efficientnet_b0"), macs, resolution=SIDE, num_classes=CLASSES, max_stride=8
    )
    return [row for name in recipe_names() for row in _rows(name, spec, device)]


def _rows(name: str, spec: ArchSpec, device: Device) -> Rows:
    recipe = load_recipe(name)
    batch, step = _works(recipe, spec, device)
    seconds = time_in_turns({"batch": _waiting(batch, device), "step": step}, TURNS)
    pairs = zip(seconds["batch"], seconds["step"], strict=True)
    share = statistics.median(one / (one + other) for one, other in pairs)
    return [
        timing_row(f"{name}: {what}", taken, batch=recipe.batch_size, **{"share of both": share_of})
        for what, taken, share_of in (
            ("data and augmentation", seconds["batch"], round(share, 3)),
            ("step without them", seconds["step"], round(1 - share, 3)),
        )
    ]


def _works(recipe: Recipe, spec: ArchSpec, device: Device) -> tuple[Batch, Work]:
    """Returns what makes a batch of inputs, and what trains on one that is made already."""
    network = device.place(build(spec)).train()
    if recipe.compile:
        device.compile(network)
    stage = make_stages(recipe, resolution=SIDE, images=IMAGES)[-1]
    normalize = Normalize((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)).to(device.torch)
    augment = Augment(recipe, normalize, SIDE, mirror=True, magnitude=stage.magnitude)
    mixing = Mixing(stage.mixup, recipe.cutmix, CLASSES)
    feed = _endless(recipe.batch_size, device)

    def batch() -> tuple[Tensor, Tensor]:
        images, labels = next(feed)
        prepared: tuple[Tensor, Tensor] = mixing(augment(images), labels)
        return prepared

    made = batch()
    loss = classification_loss(recipe.label_smoothing)
    stepper = Stepper(network, make_optimizer(network, recipe), loss, device)

    def step() -> float:
        taken = stepper.step(
            *made, rate=1e-3, prepare=lambda *inputs: inputs, micro_batch=len(made[1])
        )
        return float(taken)

    return batch, step


def _endless(size: int, device: Device) -> Iterator[tuple[Tensor, Tensor]]:
    images = torch.randint(0, 256, (IMAGES, 3, SIDE, SIDE), dtype=torch.uint8)
    labels = torch.randint(0, CLASSES, (IMAGES,))
    part = PartTensors(images.to(device.torch), labels.to(device.torch))
    passes = (batches(part, size, torch.randperm(IMAGES)) for _ in itertools.count())
    return itertools.chain.from_iterable(passes)


def _waiting(batch: Batch, device: Device) -> Work:
    """Returns the work that ends when the device has done it."""

    def work() -> None:
        batch()
        if device.is_cuda:
            torch.cuda.synchronize(device.torch)

    return work
