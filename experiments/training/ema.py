"""The exponential moving average of a network's weights, through torch."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

__all__ = ["Average", "decay_at"]


def decay_at(step: int, decay: float, *, warmup: bool) -> float:
    """Returns the decay of update `step`, counted from 0: with warm-up min(d, (1 + t)/(10 + t)).

    Source: `tf.train.ExponentialMovingAverage` with `num_updates`. Without it an average of decay
    .9999 is made of the first, random weights for the first ten thousand steps.
    """
    return min(decay, (1 + step) / (10 + step)) if warmup else decay


class Average:
    """Keeps the average of a network's weights and buffers, BatchNorm's statistics included."""

    def __init__(self, network: nn.Module, decay: float, *, warmup: bool) -> None:
        self.decay, self.warmup, self.steps = decay, warmup, 0
        self.model = AveragedModel(network, multi_avg_fn=self._mix, use_buffers=True)

    @property
    def network(self) -> nn.Module:
        """Returns the network that has the averaged weights."""
        return self.model.module

    def update(self, network: nn.Module) -> None:
        """Takes in the weights of one more step; the first ones are taken as they are."""
        self.model.update_parameters(network)
        self.steps += 1

    def _mix(self, average: Any, now: Any, _: Tensor | int) -> None:
        decay = decay_at(self.steps, self.decay, warmup=self.warmup)
        get_ema_multi_avg_fn(decay)(average, now, self.steps)  # type: ignore[no-untyped-call]

    def state_dict(self) -> dict[str, Any]:
        """Returns what `load_state_dict` takes up."""
        return {"steps": self.steps, "model": self.model.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up an earlier average."""
        self.steps = state["steps"]
        self.model.load_state_dict(state["model"])
