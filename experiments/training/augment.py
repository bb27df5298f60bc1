"""Random changes of a batch of images, by kornia, on the device where the batch is.

Everything is drawn from torch's generator and from nothing else, so its seed decides the images.
"""

from __future__ import annotations

import kornia.augmentation as kornia_augmentation
import torch
from torch import Tensor, nn

from experiments.recipes import Recipe
from experiments.tensors import Normalize
from experiments.training.draws import Place, applied, applied_in_groups
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
        self.groups = recipe.augment_groups
        self.erasing = nn.Sequential()
        if recipe.erasing:
            self.erasing.append(kornia_augmentation.RandomErasing(p=recipe.erasing))

    @torch.no_grad()
    def forward(self, images: Tensor, place: Place | None = None) -> Tensor:
        """Returns float32 (N, 3, R, R), channels_last.

        With a `place` the images are that part of a batch, and changed as they are in the whole.
        """
        if self.policy is None:
            out = applied(self.geometry, self.normalize(images), place)
        else:
            out = applied(self.geometry, images.float() / 255, place)
            out = applied_in_groups(self.policy, out, self.groups, place) * 255
            out = self.normalize(out)
        out = applied(self.erasing, out, place)
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


def _policy(recipe: Recipe, magnitude: float) -> nn.Module | None:
    if recipe.auto_augment != "none":
        return PublishedAutoAugment(recipe.auto_augment)
    return StrengthRandAugment(recipe.rand_augment, magnitude) if recipe.rand_augment else None
