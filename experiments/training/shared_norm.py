"""BatchNorm whose statistics are those of the whole batch, wherever its images are."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
import torch.distributed
from torch import Tensor, nn

__all__ = ["SharedBatchNorm", "share_statistics"]

NetworkT = TypeVar("NetworkT", bound=nn.Module)


class _Summed(torch.autograd.Function):
    """Sums over the ranks, gradients as well: each rank's loss depends on every rank's input."""

    @staticmethod
    def forward(_: Any, value: Tensor) -> Tensor:
        """Returns the sum."""
        total = value.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        """Returns the sum of the gradients."""
        total = gradients[0].clone()
        torch.distributed.all_reduce(total)
        return total


def _summed(value: Tensor) -> Tensor:
    total: Tensor = _Summed.apply(value)  # type: ignore[no-untyped-call]
    return total


class SharedBatchNorm(nn.BatchNorm2d):
    """Is BatchNorm over the images of all ranks, on a CPU, where torch's SyncBatchNorm is not.

    With n elements a channel on all ranks together: mean = Σx / n, variance = Σ(x − mean)² / n; the
    running variance takes n − 1. That is what `nn.BatchNorm2d` has for the whole batch in one
    process, up to rounding.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's name)
        """Normalises (N, C, H, W); in evaluation as `nn.BatchNorm2d` does."""
        if not self.training:
            return super().forward(input)
        here = input.new_tensor([input.numel() / input.shape[1]])
        sums = _summed(torch.cat([input.sum((0, 2, 3)), here]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = input - mean.view(1, -1, 1, 1)
        variance = _summed(centred.square().sum((0, 2, 3))) / count
        self._note(mean.detach(), variance.detach() * count / (count - 1))
        scale = torch.rsqrt(variance + self.eps) * self.weight
        return centred * scale.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)

    @torch.no_grad()
    def _note(self, mean: Tensor, variance: Tensor) -> None:
        """Takes a batch into the running statistics; without a momentum they are plain means."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        share = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


def share_statistics(network: NetworkT, *, cuda: bool) -> NetworkT:
    """Makes a network's BatchNorm share its statistics over the process group; names stay."""
    if cuda:
        converted: NetworkT = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return converted
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedBatchNorm  # the same parameters, another forward pass
    return network
