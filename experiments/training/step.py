"""One step of a training: gradients of a batch, in parts where memory is short."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.optimizer import Optimizer

from experiments.device import Device
from experiments.training.share import ALONE, Share
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
    step is then done again from the same random numbers and statistics. Of several ranks each has
    its share of a batch, and their gradients are averaged.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: Optimizer,
        loss_step: LossStep,
        device: Device,
        *,
        on_note: Callable[[str], None] | None = None,
        share: Share = ALONE,
        freezes: bool = False,
    ) -> None:
        self.network, self.optimizer, self.loss_step = network, optimizer, loss_step
        self.device, self.on_note, self.share = device, on_note, share
        self.parallel = share.parallel(network, device, freezes=freezes)
        # To be able to costs a copy of the statistics a step; ranks cannot go back one by one.
        self.recovers = device.is_cuda and share.alone
        self.micro_batch: int | None = None

    def step(
        self,
        images: Tensor,
        labels: Tensor,
        *,
        rate: float,
        prepare: Prepare,
        micro_batch: int,
        batch: int | None = None,
    ) -> Tensor:
        """Updates the network once and returns the batch's loss, detached.

        The images are this rank's of a `batch` of so many (None: they are all).
        Raises `RunError` where even two images at a time do not fit into a GPU's memory.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batch = len(labels) if batch is None else batch
        while (loss := self._attempt(images, labels, prepare, micro_batch, batch)) is None:
            self._halve(min(micro_batch, self.micro_batch or micro_batch, len(labels)))
        self.optimizer.step()
        return self.share.sum(loss) / self.share.ranks

    def _attempt(
        self, images: Tensor, labels: Tensor, prepare: Prepare, micro_batch: int, batch: int
    ) -> Tensor | None:
        """Computes the gradients, or returns None with everything as it was before."""
        if not self.share.alone:
            return self._gradients_of_a_rank(images, labels, prepare, micro_batch, batch)
        if not self.recovers:
            return self._gradients(images, labels, prepare, micro_batch, batch)
        before = random_state(self.device)
        buffers = [buffer.clone() for buffer in self.network.buffers()]
        try:
            return self._gradients(images, labels, prepare, micro_batch, batch)
        except torch.OutOfMemoryError:
            pass  # the traceback holds tensors until this block ends
        set_random_state(before, self.device)
        for buffer, value in zip(self.network.buffers(), buffers, strict=True):
            buffer.copy_(value)
        self.optimizer.zero_grad(set_to_none=True)
        return None

    def _gradients_of_a_rank(
        self, images: Tensor, labels: Tensor, prepare: Prepare, micro_batch: int, batch: int
    ) -> Tensor:
        """Computes the gradients of all ranks' images; where one's memory is short, all stop."""
        try:
            return self._gradients(images, labels, prepare, micro_batch, batch)
        except torch.OutOfMemoryError:
            raise RunError(
                f"the GPU's memory does not hold {len(labels)} images of this network in training; "
                "let a batch go through in parts with --set accumulate=2, or more"
            ) from None

    def _gradients(
        self, images: Tensor, labels: Tensor, prepare: Prepare, micro_batch: int, batch: int
    ) -> Tensor:
        inputs, targets = prepare(images, labels)
        self.optimizer.zero_grad(set_to_none=True)
        count = len(targets)
        parts, weight = self._parts(batch, micro_batch), self.share.weight(count, batch)
        with self.share.own_randomness(self.device):
            if parts == 1:
                return self._backward(inputs, targets, weight)
            pairs = zip(inputs.tensor_split(parts), targets.tensor_split(parts), strict=True)
            losses = [
                self._backward(x, y, weight * len(y) / count, last=number == parts)
                for number, (x, y) in enumerate(pairs, 1)
            ]
        return torch.stack(losses).sum()

    def _parts(self, batch: int, micro_batch: int) -> int:
        """Counts the parts that a rank's share goes through in: the same for every rank."""
        ranks = self.share.ranks
        most = math.ceil(min(micro_batch, self.micro_batch or micro_batch) / ranks)
        return max(1, min(math.ceil(math.ceil(batch / ranks) / most), batch // ranks // 2))

    def _backward(
        self, inputs: Tensor, targets: Tensor, weight: float, *, last: bool = True
    ) -> Tensor:
        ranked = self.parallel if isinstance(self.parallel, DistributedDataParallel) else None
        with nullcontext() if last or ranked is None else ranked.no_sync():
            with self.device.autocast():
                loss = self.loss_step(self.parallel, inputs, targets)
            if weight != 1.0:
                loss = loss * weight
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
