"""What a training recipe can say: its keys, their ranges, and what they mean."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Recipe"]

Share = Field(ge=0, le=1)


class Recipe(BaseModel):
    """Says how a network is trained.

    Keys without a default stand in every recipe. A default never changes, since keys at their
    default are left out of the digest: what was trained before a key existed keeps its name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Length. `patience`: epochs without a better validation accuracy after which training stops
    # (0: train to the end and validate once).
    epochs: int = Field(ge=1, le=100_000)
    patience: int = Field(ge=0)

    # Batches. `batch_size` images make one step of the optimizer, in `accumulate` parts that follow
    # one another where memory is short; a GPU that runs out of memory takes more parts by itself.
    batch_size: int = Field(ge=2, le=65_536)
    accumulate: int = Field(default=1, ge=1, le=4_096)

    # Optimizer. Weight decay spares biases and BatchNorm. `rms_decay` and `eps` are RMSProp's,
    # which is TensorFlow's: eps inside the square root, the running mean of squares begins at 1.
    optimizer: Literal["sgd", "adamw", "rmsprop"]
    momentum: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0, lt=10)
    rms_decay: float = Field(default=0.9, ge=0, lt=1)
    eps: float = Field(default=1e-3, gt=0, le=1)

    # Learning rate. `lr` is the peak for `lr_batch` images and grows in proportion to the batch
    # (0: it is the peak whatever the batch size). It rises in a line over `warmup`, a share of all
    # steps, or over `warmup_epochs` where that is not 0, though never over more than half of the
    # training; then it follows `schedule`: to zero along a `cosine` or in a line (`linear`),
    # `constant`, or times `lr_decay` every `lr_decay_epochs`, counted from the start (`staircase`).
    lr: float = Field(gt=0, lt=1e3)
    lr_batch: int = Field(default=0, ge=0, le=65_536)
    schedule: Literal["cosine", "linear", "constant", "staircase"] = "cosine"
    warmup: float = Share
    warmup_epochs: float = Field(default=0, ge=0)
    lr_decay: float = Field(default=0.97, gt=0, le=1)
    lr_decay_epochs: float = Field(default=2.4, gt=0)

    # Network. `bn_momentum` replaces the network's own (PyTorch's sense), since short trainings
    # need a faster average; 0 keeps it. `zero_init_residual` starts every residual block as the
    # identity, its last BatchNorm at zero (Goyal et al. 2017, arXiv:1706.02677, section 5.1): deep,
    # thin networks start to learn epochs earlier. `dropout` and `drop_path` replace the spec's.
    bn_momentum: float = Share
    zero_init_residual: bool
    dropout: float | Literal["spec"] = Field(default="spec")
    drop_path: float | Literal["spec"] = Field(default="spec")

    # Averaged weights, which are validated and kept: `ema` is the decay by step (0: none). In the
    # first steps it is at most (1 + t) / (10 + t), as in TensorFlow, unless `ema_warmup` is false.
    ema: float = Field(default=0, ge=0, lt=1)
    ema_warmup: bool = True

    # Speed. `compile` trains through kernels that are built first, on a GPU by torch.compile: the
    # same training but for rounding.
    compile: bool = False

    # Loss and images. `shift`: largest translation, a share of the side. `min_crop`: a random part
    # of the image, at least this share of its area (1: the whole), its sides at most `crop_ratio`
    # to one, becomes the input. `auto_augment` names a policy; `rand_augment` is how many
    # operations of `magnitude` are applied (magnitude in (0, 30), as in kornia and torchvision);
    # both draw once for each of `augment_groups` groups of a batch. `erasing`: probability that a
    # rectangle is blanked. `mixup`, `cutmix`: α of the Beta distribution (0: none); with both, each
    # batch gets one of the two.
    label_smoothing: float = Field(ge=0, lt=1)
    shift: float = Field(ge=0, le=0.5)
    flip: Literal["auto", "always", "never"]
    min_crop: float = Field(default=1, gt=0, le=1)
    crop_ratio: float = Field(default=4 / 3, ge=1, le=10)
    auto_augment: Literal["none", "imagenet", "cifar10", "svhn"] = "none"
    rand_augment: int = Field(default=0, ge=0, le=15)
    magnitude: float = Field(default=9, gt=0, lt=30)
    augment_groups: int = Field(default=8, ge=1, le=4_096)
    erasing: float = Field(default=0, ge=0, le=1)
    mixup: float = Field(default=0, ge=0, le=100)
    cutmix: float = Field(default=0, ge=0, le=100)

    # Progressive learning (arXiv:2104.00298, section 4): over `stages` equal parts of the training
    # the side of the images rises in a line from `start_resolution` to `end_resolution` (up to 1:
    # shares of the network's resolution; above: pixels), and with it magnitude, mixup and dropout
    # from their start values (`same`: they do not change). `progressive_batch` lets smaller images
    # come in larger batches, of about the same memory, with the learning rate in proportion.
    stages: int = Field(default=1, ge=1, le=1_000)
    start_resolution: float = Field(default=1, gt=0, le=4_096)
    end_resolution: float = Field(default=1, gt=0, le=4_096)
    start_magnitude: float | Literal["same"] = "same"
    start_mixup: float | Literal["same"] = "same"
    start_dropout: float | Literal["same"] = "same"
    progressive_batch: bool = False

    # Families: with `grow` members regularise more the larger they are, as published: dropout, and
    # magnitude and mixup where there is RandAugment, rise with φ from what is said here.
    grow: bool = True

    # Fine-tuning: `from_weights` asks for weights to start from; in the first `freeze_epochs` only
    # the classifier learns.
    from_weights: bool = False
    freeze_epochs: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, value in (("dropout", self.dropout), ("drop_path", self.drop_path)):
            _check_number(name, value, below=1)
        _check_number("start_dropout", self.start_dropout, below=1)
        _check_number("start_mixup", self.start_mixup, below=100)
        _check_number("start_magnitude", self.start_magnitude, below=30)
        if self.accumulate > self.batch_size // 2:
            raise ValueError(
                f"accumulate is {self.accumulate}; it must leave at least 2 of the "
                f"{self.batch_size} images of a batch to each part"
            )
        if self.auto_augment != "none" and self.rand_augment:
            raise ValueError("auto_augment and rand_augment exclude each other; choose one")
        return self

    @property
    def values(self) -> dict[str, Any]:
        """Returns the keys that every recipe has, and the others where they are not at default."""
        return self.model_dump(exclude_defaults=True)

    @property
    def digest(self) -> str:
        """Names the recipe's values in 12 hexadecimal digits."""
        text = json.dumps(self.values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _check_number(name: str, value: float | str, *, below: float) -> None:
    if not isinstance(value, str) and not 0 <= value < below:
        raise ValueError(f"{name} is {value}; it must be at least 0 and below {below}")
