"""The family: one base, one set of constants, and a member for each φ or each MACs target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scaling.compound import Constants, macs_label, macs_text, multipliers, scale
from scaling.growth import Regularisation, grown
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.resize import ROUNDING, Rounding
from search_spaces.spec import ArchSpec

__all__ = ["NEAR", "Member", "macs_ladder", "parse_phis", "phi_ladder"]

MAX_MEMBERS = 100
NEAR = 0.05  # of a MACs target: what is farther is the nearest that rounding allows
LOWEST_PHI, HIGHEST_PHI = -6.0, 8.0
PHI_STEP = 0.005  # finer than any rounding step of a network that fits these bounds
SCAN_REACH = 0.15


@dataclass(frozen=True, slots=True)
class Member:
    """Holds one member: its multipliers, its network, and what that really costs.

    `macs_ratio` is counted, over the base's; `nominal_ratio` is 2^φ, which the paper aims at;
    `product_ratio` is (α·β²·γ²)^φ, what these constants give before rounding. `target` and
    `error` (|macs − target| / target) are set where a MACs target was asked for. The spec's
    dropout is the base's, grown with φ (`scaling.growth`), unless it was asked to stay.
    """

    name: str
    phi: float
    depth: float
    width: float
    spec: ArchSpec
    params: int
    macs: int
    macs_ratio: float
    nominal_ratio: float
    product_ratio: float
    resolution: int
    target: int | None = None
    error: float | None = None

    @property
    def is_near(self) -> bool | None:
        """Tells whether MACs are within 5% of the target; None where there is none."""
        return None if self.error is None else self.error <= NEAR

    def as_row(self) -> dict[str, float | int | str | None]:
        """Returns the member as one flat table row, without its spec."""
        row = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "spec"}
        return {**row, "is_near": self.is_near}


@dataclass(frozen=True, slots=True)
class _Rules:
    """Holds what all members of a family share."""

    base: ArchSpec
    constants: Constants
    rounding: Rounding
    grow: bool

    def spec(self, phi: float, name: str | None = None) -> ArchSpec:
        """Scales the base, and its dropout with it."""
        spec = scale(self.base, phi, self.constants, rounding=self.rounding, name=name)
        if not self.grow or phi == 0:
            return spec
        own = Regularisation(self.base.dropout, self.base.drop_path)
        return replace(spec, dropout=grown(own, phi).dropout)


def _member(rules: _Rules, phi: float, name: str | None = None) -> Member:
    base, constants = rules.base, rules.constants
    depth, width, _ = multipliers(phi, constants)
    spec = rules.spec(phi, name)
    counted = cost(spec)
    return Member(
        name=spec.name,
        phi=phi,
        depth=depth,
        width=width,
        spec=spec,
        params=counted.params,
        macs=counted.macs,
        macs_ratio=counted.macs / cost(base).macs,
        nominal_ratio=2.0**phi,
        product_ratio=constants.product**phi,
        resolution=spec.resolution,
    )


def _with_own_names(members: tuple[Member, ...]) -> tuple[Member, ...]:
    names = [member.name for member in members]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"family: {twice} is asked for twice; give each member once")
    return members


def phi_ladder(
    base: ArchSpec,
    constants: Constants,
    phis: Sequence[float],
    *,
    rounding: Rounding = ROUNDING,
    grow: bool = True,
) -> tuple[Member, ...]:
    """Returns a member for each φ, in the order given; dropout grows with φ unless `grow` is off.

    Raises `InputError` for a φ that makes no network, or that is given twice.
    """
    rules = _Rules(base, constants, rounding, grow)
    return _with_own_names(tuple(_member(rules, phi) for phi in phis))


def parse_phis(text: str) -> tuple[float, ...]:
    """Reads `2`, `0,0.5,1`, or `0:3` (both ends, in steps of 1); raises `InputError` otherwise."""
    try:
        phis = tuple(phi for part in text.split(",") for phi in _phi_range(part))
    except ValueError:
        raise InputError(
            f"φ {text!r} cannot be read; give numbers or rising ranges in steps of 1, "
            "as in 2 or 0,0.5,1 or 0:3"
        ) from None
    if len(phis) > MAX_MEMBERS:
        raise InputError(f"φ {text!r} asks for more than {MAX_MEMBERS} members")
    far = next((phi for phi in phis if not LOWEST_PHI <= phi <= HIGHEST_PHI), None)
    if far is not None:
        raise InputError(f"φ is {far:g}; it must lie between {LOWEST_PHI:g} and {HIGHEST_PHI:g}")
    if len(set(phis)) < len(phis):
        raise InputError(f"φ {text!r} asks for a member twice; give each once")
    return phis


def _phi_range(part: str) -> list[float]:
    low, *rest = (float(end) for end in part.split(":"))
    if not all(map(math.isfinite, (low, *rest))):
        raise ValueError(part)
    if not rest:
        return [low]
    (high,) = rest  # a second colon is a ValueError
    steps = high - low
    if steps < 0 or not steps.is_integer():
        raise ValueError(part)
    return [low + i for i in range(min(int(steps), MAX_MEMBERS) + 1)]


def macs_ladder(
    base: ArchSpec,
    constants: Constants,
    targets: Sequence[int],
    *,
    rounding: Rounding = ROUNDING,
    grow: bool = True,
) -> tuple[Member, ...]:
    """Returns a member for each MACs target: the φ whose counted MACs come nearest to it.

    Rounding makes MACs rise in steps, so a target is met as near as a step allows; the member
    carries the target and the relative error. Raises `InputError`, with the range there is, for a
    target that no φ from −6 to 8 reaches.
    """
    ladder = _Ladder(_Rules(base, constants, rounding, grow))
    return _with_own_names(tuple(ladder.member(target) for target in targets))


def _phi(step: int) -> float:
    return round(step * PHI_STEP, 6)


class _Ladder:
    """Finds φ for MACs: what a ladder's targets share is looked for once."""

    def __init__(self, rules: _Rules) -> None:
        multipliers(1, rules.constants)  # constants below 1 would make MACs fall as φ rises
        self.rules = rules
        self._counted: dict[int, int] = {}  # MACs by φ in steps
        self.low = self._last_network(LOWEST_PHI)
        self.high = self._last_network(HIGHEST_PHI)

    def macs(self, step: int) -> int:
        """Counts the member at φ = step·PHI_STEP."""
        if step not in self._counted:
            self._counted[step] = cost(self.rules.spec(_phi(step))).macs
        return self._counted[step]

    def _exists(self, step: int) -> bool:
        try:
            self.macs(step)
        except InputError:
            return False
        return True

    def _last_network(self, phi: float) -> int:
        """Returns the step nearest to `phi` that makes a network: φ = 0 always does."""
        outer = round(phi / PHI_STEP)
        if self._exists(outer):
            return outer
        inner = 0
        while abs(outer - inner) > 1:
            middle = (outer + inner) // 2
            inner, outer = (middle, outer) if self._exists(middle) else (inner, middle)
        return inner

    def _crossing(self, target: int) -> int:
        """Bisects for the first step whose MACs reach the target; they never fall as φ rises."""
        low, high = self.low, self.high
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.macs(middle) >= target else (middle + 1, high)
        return low

    def member(self, target: int) -> Member:
        """Returns the member nearest to the target."""
        name = self.rules.base.name
        lowest, highest = self.macs(self.low), self.macs(self.high)
        if not lowest <= target <= highest:
            raise InputError(
                f"{macs_text(target)} MACs cannot be reached from {name}: "
                f"φ from {_phi(self.low):g} to {_phi(self.high):g} gives "
                f"{macs_text(lowest)} to {macs_text(highest)}"
            )
        step = self._nearest(target)
        member = _member(self.rules, _phi(step), f"{name}_{macs_label(target)}")
        return replace(member, target=target, error=abs(member.macs - target) / target)

    def _nearest(self, target: int) -> int:
        crossing = self._crossing(target)
        reach = round(SCAN_REACH / PHI_STEP)
        steps = range(max(self.low, crossing - reach), min(self.high, crossing + reach) + 1)
        # Of one plateau's equal steps the one nearest to φ = 0 is taken, being the plainest.
        return min(steps, key=lambda step: (abs(self.macs(step) - target), abs(step)))
