"""How trainings run, whatever they train, and what they tell of themselves on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from experiments.training.share import ALONE, Share
from experiments.training.state import EpochRecord

__all__ = ["Engine", "StepRecord"]


@dataclass(frozen=True, slots=True)
class StepRecord:
    """Records a step, counted from 1 in its epoch; `loss` stays on the device until it is read.

    `seconds` are those of the epoch so far, `images` those of one step.
    """

    epoch: int
    step: int
    steps: int
    lr: float
    loss: Tensor
    seconds: float
    images: int


@dataclass(frozen=True, slots=True)
class Engine:
    """Says how trainings run; none of it changes a result.

    `loaders` decode images that are not kept in memory (None: a core each, less one). The state is
    kept on the way every `checkpoint_seconds`. `on_start` is told of the epochs that an earlier
    process finished, `on_step` of every step, `on_note` what a user should know. `rungs` are told
    the validation accuracy after epochs, by their number; what they raise ends the training.
    `share` is this process's part of a training that several make together.
    """

    loaders: int | None = None
    checkpoint_seconds: float = 60.0
    on_start: Callable[[Sequence[EpochRecord]], None] | None = None
    on_step: Callable[[StepRecord], None] | None = None
    on_note: Callable[[str], None] | None = None
    rungs: Mapping[int, Callable[[float], None]] = field(default_factory=dict)
    share: Share = ALONE
