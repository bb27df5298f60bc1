"""Random changes of a batch of images, by kornia, on the device where the batch is.

Everything is drawn from torch's generator and from nothing else, so its seed decides the images.
"""

from __future__ import annotations

from dataclasses import dataclass

import kornia.augmentation as kornia_augmentation
import torch
from torch import Tensor, nn

from experiments.recipes import Recipe
from experiments.tensors import Normalize
from experiments.training.policies import PublishedAutoAugment, StrengthRandAugment

__all__ = ["Augment", "source_resolution"]


def source_resolution(recipe: Recipe, resolution: int, image_size: int) -> int:
    """Returns the side at which images must come for inputs of `resolution` pixels a side.

    A random part of the image is cut out of all the pixels that there are.
    """
    return max(resolution, image_size) if recipe.min_crop < 1 else resolution


class Augment(nn.Module):
    """Turns uint8 images (N, 3, S, S) into normalised, augmented inputs (N, 3, R, R).

    A policy (AutoAugment, RandAugment) works on pixels in [0, 1], after cropping and flipping;
    without one, images are normalised first, so that what a shift uncovers is the mean.
    """

    def __init__(
        self,
        recipe: Recipe,
        normalize: Normalize,
        resolution: int,
        *,
        mirror: bool,
        magnitude: float | None = None,
    ) -> None:
        super().__init__()
        self.normalize = normalize
        self.geometry = nn.Sequential(*_geometry(recipe, resolution, mirror))
        self.policy = _policy(recipe, recipe.magnitude if magnitude is None else magnitude)
        self.erasing = nn.Sequential()
        if recipe.erasing:
            self.erasing.append(kornia_augmentation.RandomErasing(p=recipe.erasing))

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Returns float32 (N, 3, R, R), channels_last."""
        if self.policy is None:
            out = self.geometry(self.normalize(images))
        else:
            out = self.policy(self.geometry(images.float() / 255)) * 255
            out = self.normalize(out)
        out = self.erasing(out)
        channels_last: Tensor = out.contiguous(memory_format=torch.channels_last)
        return channels_last


def _geometry(recipe: Recipe, resolution: int, mirror: bool) -> list[nn.Module]:
    steps: list[nn.Module] = []
    size = (resolution, resolution)
    if recipe.min_crop < 1:
        ratio = (1 / recipe.crop_ratio, recipe.crop_ratio)
        steps.append(
            kornia_augmentation.RandomResizedCrop(
                size, scale=(recipe.min_crop, 1.0), ratio=ratio, cropping_mode="resample"
            )
        )
    shift = round(recipe.shift * resolution)
    if shift:
        steps.append(kornia_augmentation.RandomCrop(size, padding=shift))
    if recipe.flip == "always" or (recipe.flip == "auto" and mirror):
        steps.append(kornia_augmentation.RandomHorizontalFlip())
    return steps


@dataclass(frozen=True)
class _Grouped:
    """Applies a policy to groups of a batch: kornia draws its operations once for each call."""

    policy: nn.Module
    groups: int

    def __call__(self, images: Tensor) -> Tensor:
        return torch.cat([self.policy(part) for part in images.chunk(self.groups)])


def _policy(recipe: Recipe, magnitude: float) -> _Grouped | None:
    if recipe.auto_augment != "none":
        policy: nn.Module = PublishedAutoAugment(recipe.auto_augment)
    elif recipe.rand_augment:
        policy = StrengthRandAugment(recipe.rand_augment, magnitude)
    else:
        return None
    return _Grouped(policy, recipe.augment_groups)
