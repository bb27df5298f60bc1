"""What a search aimed at, in words."""

from __future__ import annotations

from experiments.aims import amount_text
from experiments.config import SearchConfig
from nas.objective import PARAMS_EXPONENT

__all__ = ["aim_text", "cost_label", "formula_text"]


def cost_label(cost: str) -> str:
    """Names a cost as a heading does."""
    return "MACs" if cost == "macs" else cost.replace("_", " ")


def aim_text(search: SearchConfig) -> str:
    """Says what a search aimed at: the target, or the user's own reward, and the limits."""
    aim = f"the objective {search.objective}"
    if search.front_range is not None:
        low, high = (amount_text(search.cost, amount) for amount in search.front_range)
        aim = f"the front of accuracy against {cost_label(search.cost)} from {low} to {high}"
    elif search.target is not None:
        size = amount_text(search.cost, search.target)
        aim = f"a target of {size} {cost_label(search.cost)}"
    limits = [
        f"at most {amount_text(name, most)} {cost_label(name)}"
        for name, most in search.limits.items()
        if search.front_range is None or name != search.cost
    ]
    return ", ".join([aim, *limits])


def formula_text(search: SearchConfig) -> str:
    """Writes the reward of a search as a formula."""
    if search.exponent is None:
        return f"the user's own {search.objective}"
    if search.front_range is not None:
        return _base_text(search)
    params = f"·params^{PARAMS_EXPONENT:g}" if search.objective == "v2" else ""
    ratio = f"({cost_label(search.cost)}/target)^{search.exponent:g}"
    return f"accuracy·{ratio}{params} ({search.objective})"


def _base_text(search: SearchConfig) -> str:
    """Says how the base of a front was chosen."""
    if search.target is None:
        return f"accuracy·{cost_label(search.cost)}^{search.exponent:g}, for the choice of a base"
    size = f"{amount_text(search.cost, search.target)} {cost_label(search.cost)}"
    return f"accuracy, less above {size}, for the choice of a base"
