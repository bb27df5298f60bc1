"""One step of a training: gradients of a batch, in parts where memory is short."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from experiments.device import Device
from experiments.training.state import random_state, set_random_state
from search_spaces.errors import RunError

__all__ = ["LossStep", "Prepare", "Stepper", "classification_loss"]

LossStep = Callable[[nn.Module, Tensor, Tensor], Tensor]
Prepare = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def classification_loss(label_smoothing: float) -> LossStep:
    """Returns cross entropy; labels are classes (N,), or shares of each class (N, C)."""
    entropy = nn.CrossEntropyLoss(label_smoothing=label_smoothing)

    def loss(network: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
        value: Tensor = entropy(network(inputs), labels)
        return value

    return loss


class Stepper:
    """Steps an optimizer by whole batches, whose parts follow one another if memory is short.

    The gradient of a batch is the mean over its images however it is divided (BatchNorm, which
    sees a part at a time, aside). A GPU that runs out of memory halves the parts from then on; the
    step is then done again from the same random numbers and statistics.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: Optimizer,
        loss_step: LossStep,
        device: Device,
        *,
        on_note: Callable[[str], None] | None = None,
    ) -> None:
        self.network, self.optimizer, self.loss_step = network, optimizer, loss_step
        self.device, self.on_note = device, on_note
        self.recovers = device.is_cuda  # to be able to costs a copy of the statistics a step
        self.micro_batch: int | None = None

    def step(
        self, images: Tensor, labels: Tensor, *, rate: float, prepare: Prepare, micro_batch: int
    ) -> Tensor:
        """Updates the network once and returns the batch's loss, detached.

        Raises `RunError` where even two images at a time do not fit into a GPU's memory.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        while (loss := self._attempt(images, labels, prepare, micro_batch)) is None:
            self._halve(min(micro_batch, self.micro_batch or micro_batch, len(labels)))
        self.optimizer.step()
        return loss

    def _attempt(
        self, images: Tensor, labels: Tensor, prepare: Prepare, micro_batch: int
    ) -> Tensor | None:
        """Computes the gradients, or returns None with everything as it was before."""
        if not self.recovers:
            return self._gradients(images, labels, prepare, micro_batch)
        before = random_state(self.device)
        buffers = [buffer.clone() for buffer in self.network.buffers()]
        try:
            return self._gradients(images, labels, prepare, micro_batch)
        except torch.OutOfMemoryError:
            pass  # the traceback holds tensors until this block ends
        set_random_state(before, self.device)
        for buffer, value in zip(self.network.buffers(), buffers, strict=True):
            buffer.copy_(value)
        self.optimizer.zero_grad(set_to_none=True)
        return None

    def _gradients(
        self, images: Tensor, labels: Tensor, prepare: Prepare, micro_batch: int
    ) -> Tensor:
        inputs, targets = prepare(images, labels)
        self.optimizer.zero_grad(set_to_none=True)
        count = len(targets)
        parts = max(1, min(-(-count // min(micro_batch, self.micro_batch or count)), count // 2))
        if parts == 1:
            return self._backward(inputs, targets, 1.0)
        losses = [
            self._backward(x, y, len(y) / count)
            for x, y in zip(inputs.tensor_split(parts), targets.tensor_split(parts), strict=True)
        ]
        return torch.stack(losses).sum()

    def _backward(self, inputs: Tensor, targets: Tensor, share: float) -> Tensor:
        with self.device.autocast():
            loss = self.loss_step(self.network, inputs, targets)
        if share != 1.0:
            loss = loss * share
        torch.autograd.backward(loss)
        return loss.detach()

    def _halve(self, micro_batch: int) -> None:
        if self.device.is_cuda:
            torch.cuda.empty_cache()
        if micro_batch <= 2:
            raise RunError(
                "the GPU's memory does not hold even 2 images of this network in training; "
                "use a smaller --resolution or network"
            )
        self.micro_batch = -(-micro_batch // 2)
        if self.on_note is not None:
            self.on_note(
                f"the GPU ran out of memory: batches go through it {self.micro_batch} images at "
                "a time from here on (the same gradients, BatchNorm aside)"
            )
