"""What a run searched for, from its configuration: a reward, or a front."""

from __future__ import annotations

from experiments.config import SearchConfig
from nas.front import Front, base_reward
from nas.objective import Goal, Objective, Plugin
from nas.pareto import Span

__all__ = ["front_of", "goal_of"]


def goal_of(asked: SearchConfig, plugin: Plugin | None = None) -> Goal:
    """Returns what a search is after; `plugin` is the user's own reward, where it has one."""
    front = front_of(asked)
    if front is not None:
        return front
    return Objective(asked.objective, asked.target, asked.exponent, asked.cost, plugin)


def front_of(asked: SearchConfig | None) -> Front | None:
    """Returns the front that a search is after; None for one that maximises a reward."""
    if asked is None or asked.front_range is None:
        return None
    span = Span(*asked.front_range)
    return Front(span, base_reward(asked.target, asked.exponent, asked.cost, scale=span.high))
