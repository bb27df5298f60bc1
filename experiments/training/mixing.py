"""MixUp and CutMix: two images of a batch in one, and their labels in proportion."""

from __future__ import annotations

import kornia.augmentation as kornia_augmentation
import torch
from torch import Tensor, nn
from torch.distributions import Beta

__all__ = ["Mixing"]

KEYS = ["input", "class"]


class Mixing(nn.Module):
    """Mixes the images of a batch in pairs, by MixUp or by CutMix with equal probability.

    `mixup` and `cutmix` are the α of the Beta(α, α) that each image's share is drawn from; at 0 the
    one or the other is off, and with both off nothing changes. Sources: arXiv:1710.09412,
    arXiv:1905.04899.
    """

    def __init__(self, mixup: float, cutmix: float, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.shares = Beta(torch.tensor(mixup), torch.tensor(mixup)) if mixup else None
        self.mixup = kornia_augmentation.RandomMixUpV2(data_keys=KEYS)
        self.cutmix = None
        if cutmix:
            self.cutmix = kornia_augmentation.RandomCutMixV2(
                data_keys=KEYS, beta=cutmix, use_correct_lambda=True
            )

    @property
    def mixes(self) -> bool:
        """Tells whether batches are changed at all."""
        return self.shares is not None or self.cutmix is not None

    @torch.no_grad()
    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Returns images and their labels: classes (N,) as they were, or shares of each (N, C)."""
        if self._takes_mixup():
            images, mixed = self._mix_up(images, labels)
            share = mixed[:, 2]
        elif self.cutmix is not None:
            images, mixes = self.cutmix(images, labels)
            mixed = mixes[0]
            share = 1 - mixed[:, 2]
        else:
            return images, labels
        images = images.contiguous(memory_format=torch.channels_last)
        return images, self._soft(labels, mixed[:, 1].long(), share)

    def _takes_mixup(self) -> bool:
        if self.shares is None or self.cutmix is None:
            return self.shares is not None
        return bool(torch.rand(()) < 0.5)

    def _mix_up(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mixes by kornia, which would draw the shares uniformly, with shares of our own."""
        assert self.shares is not None
        params = self.mixup.forward_parameters(images.shape)
        params["mixup_lambdas"] = self.shares.sample((len(images),))
        mixed: tuple[Tensor, Tensor] = self.mixup(images, labels, params=params)
        return mixed

    def _soft(self, first: Tensor, second: Tensor, share: Tensor) -> Tensor:
        """Returns the shares of each class (N, C): `share` (N,) is that of the second image."""
        one, other = (nn.functional.one_hot(part, self.num_classes) for part in (first, second))
        share = share.view(-1, 1)
        return one * (1 - share) + other * share
