"""What is one process's in a training that several make together: its images, what it adds up.

Every rank has the same weights and takes its part of every batch; what they find is summed over
torch.distributed's process group, which whoever starts the ranks has made.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from experiments.device import Device
from experiments.training.draws import Place
from experiments.training.shared_norm import share_statistics
from search_spaces.errors import InputError, RunError

__all__ = ["ALONE", "Share"]

NetworkT = TypeVar("NetworkT", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Share:
    """Says which of `ranks` processes this is, counted from 0: what it trains on, and how."""

    rank: int = 0
    ranks: int = 1

    @property
    def alone(self) -> bool:
        """Tells whether one process makes the whole training."""
        return self.ranks == 1

    @property
    def first(self) -> bool:
        """Tells whether this process keeps states and says how the training goes."""
        return self.rank == 0

    def place(self, batch: int) -> Place | None:
        """Returns which images of a batch are this rank's; None: all of them."""
        if self.alone:
            return None
        start, stop = (batch * rank // self.ranks for rank in (self.rank, self.rank + 1))
        return Place(start, stop, batch)

    def of_order(self, order: Tensor, batch: int) -> tuple[Tensor, int]:
        """Returns this rank's part of each whole batch of `order`, and how many images that is."""
        place = self.place(batch)
        if place is None:
            return order, batch
        whole = order[: len(order) - len(order) % batch].view(-1, batch)
        return whole[:, place.start : place.stop].flatten(), place.stop - place.start

    def of_part(self, indices: np.ndarray) -> np.ndarray:
        """Returns the images of a part of the data that this rank validates."""
        return indices[self.rank :: self.ranks]

    def synchronised(self, network: NetworkT, device: Device) -> NetworkT:
        """Makes BatchNorm's statistics those of the whole batch, as one process would have them."""
        return network if self.alone else share_statistics(network, cuda=device.is_cuda)

    def parallel(self, network: nn.Module, device: Device, *, freezes: bool) -> nn.Module:
        """Returns what computes as the network does, and averages gradients over the ranks."""
        if self.alone:
            return network
        with warnings.catch_warnings():
            # Newer torch calls it forward_sync_buffers.
            warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
            return DistributedDataParallel(
                network,
                device_ids=[device.torch] if device.is_cuda else None,
                broadcast_buffers=False,  # they are equal: statistics are the whole batch's
                find_unused_parameters=freezes,
            )

    def sum(self, value: Tensor) -> Tensor:
        """Returns the sum over the ranks of a value that each has."""
        if self.alone:
            return value
        total = value.clone()
        torch.distributed.all_reduce(total)
        return total

    def weight(self, images: int, batch: int) -> float:
        """Returns what the mean loss of some images counts, so that ranks' mean is the batch's."""
        return images * self.ranks / batch

    def whole(self, part: Tensor, place: Place) -> Tensor:
        """Returns the whole batch, of which each rank has a part (N, …)."""
        most = -(-place.total // self.ranks)
        padded = torch.cat([part, part[:1].expand(most - len(part), *part.shape[1:])]).contiguous()
        parts = [torch.empty_like(padded) for _ in range(self.ranks)]
        torch.distributed.all_gather(parts, padded)
        places = [Share(rank, self.ranks).place(place.total) for rank in range(self.ranks)]
        lengths = [each.stop - each.start for each in places if each is not None]
        return torch.cat([each[:length] for each, length in zip(parts, lengths, strict=True)])

    def own_randomness(self, device: Device) -> AbstractContextManager[None]:
        """Draws for this rank alone, as dropout must; the draws that all share do not move on."""
        return nullcontext() if self.alone else _forked(self.rank, device)

    def check_batch(self, batch: int) -> None:
        """Raises `InputError` for batches that cannot be shared out evenly."""
        if batch % self.ranks:
            raise InputError(
                f"batch_size is {batch}, which {self.ranks} ranks cannot share evenly; "
                f"--set batch_size={max(1, round(batch / self.ranks)) * self.ranks}, or other ranks"
            )

    def check_compiled(self, device: Device) -> None:
        """Raises `InputError` where kernels would compute BatchNorm on each rank by itself."""
        if not self.alone and not device.is_cuda:
            raise InputError(
                "a CPU's kernels compute BatchNorm within a process and ranks share it; "
                "--set compile=false"
            )

    def check_agreed(self, epoch: int, step: int) -> None:
        """Raises `RunError` where ranks would go on from different states."""
        here = torch.tensor([epoch, step, -epoch, -step], dtype=torch.int64)
        if not self.alone:
            if torch.distributed.get_backend() == "nccl":
                here = here.cuda()
            torch.distributed.all_reduce(here, op=torch.distributed.ReduceOp.MAX)
        if bool((here[:2] + here[2:]).any()):
            raise RunError(
                "the ranks found different states of this training: the run folder is not the "
                "same on every machine; put --out on a file system that they share"
            )


@contextmanager
def _forked(rank: int, device: Device) -> Iterator[None]:
    with torch.random.fork_rng(devices=[device.torch] if device.is_cuda else []):
        seed = int(torch.randint(2**62, ()))  # every rank draws the same, and adds its number
        torch.manual_seed(seed + rank)
        yield


ALONE = Share()
