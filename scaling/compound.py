"""Compound scaling: one coefficient φ makes a network deeper, wider and larger together."""

from __future__ import annotations

import math
from dataclasses import asdict, astuple, dataclass, replace

from search_spaces.errors import InputError
from search_spaces.resize import ROUNDING, Rounding, resize
from search_spaces.spec import MAX_RESOLUTION, ArchSpec, SpecError

__all__ = ["PAPER", "Constants", "implied_phi", "macs_label", "macs_text", "multipliers", "scale"]


@dataclass(frozen=True, slots=True)
class Constants:
    """Holds α (depth), β (width) and γ (resolution) of arXiv:1905.11946, equation 3.

    Raises `InputError` for constants that are not positive and finite.
    """

    alpha: float
    beta: float
    gamma: float

    def __post_init__(self) -> None:
        for name, value in self.as_dict().items():
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{name} is {value!r}; it must be a positive number, as in 1.2")

    @property
    def product(self) -> float:
        """Multiplies α·β²·γ²: about what φ = 1 multiplies MACs by, before rounding."""
        return self.alpha * self.beta**2 * self.gamma**2

    @classmethod
    def parse(cls, text: str) -> Constants:
        """Reads `1.2,1.1,1.15` (α, β, γ); raises `InputError` for anything else."""
        try:
            alpha, beta, gamma = (float(part) for part in text.split(","))
        except ValueError:
            raise InputError(
                f"constants {text!r}: three numbers α,β,γ are wanted, as in 1.2,1.1,1.15"
            ) from None
        return cls(alpha, beta, gamma)

    def as_dict(self) -> dict[str, float]:
        """Returns the three constants by name."""
        return asdict(self)


PAPER = Constants(1.2, 1.1, 1.15)
LOWEST_FACTOR, HIGHEST_FACTOR = 0.05, 20.0  # of width and depth; EfficientNet-L2 has 5.3


def multipliers(phi: float, constants: Constants) -> tuple[float, float, float]:
    """Returns the depth, width and resolution multipliers α^φ, β^φ, γ^φ.

    Raises `InputError` for a φ that is not finite or overflows, and for constants below 1 where
    φ > 0, since those would shrink a network that was to grow.
    """
    if not math.isfinite(phi):
        raise InputError(f"φ is {phi!r}; it must be a finite number, such as 1 or 0.5")
    for name, value in constants.as_dict().items():
        if phi > 0 and value < 1:
            raise InputError(f"{name} is {value:g}; it must be at least 1 where φ ({phi:g}) > 0")
    try:
        depth, width, resolution = (value**phi for value in astuple(constants))
    except OverflowError:
        raise InputError(f"φ = {phi:g} is beyond any network; choose one nearer 0") from None
    return depth, width, resolution


def _scaled_resolution(spec: ArchSpec, phi: float, ratio: float) -> int:
    exact = spec.resolution * ratio
    lowest = min(spec.total_stride, spec.resolution)  # below it the last feature map is no pixel
    if not lowest - 0.5 <= exact < MAX_RESOLUTION + 0.5:
        raise InputError(
            f"φ = {phi:g} takes {spec.name} from {spec.resolution} to {exact:.4g} pixels; its "
            f"resolution lies between {lowest} (its total stride) and {MAX_RESOLUTION}, "
            "so choose a φ nearer 0"
        )
    return int(exact + 0.5)


def _check_factors(spec: ArchSpec, phi: float, **factors: float) -> None:
    for name, factor in factors.items():
        if not LOWEST_FACTOR <= factor <= HIGHEST_FACTOR:
            raise InputError(
                f"φ = {phi:g} multiplies the {name} of {spec.name} by {factor:.3g}; it must stay "
                f"between {LOWEST_FACTOR:g} and {HIGHEST_FACTOR:g}, so choose a φ nearer 0"
            )


def scale(
    spec: ArchSpec,
    phi: float,
    constants: Constants,
    *,
    rounding: Rounding = ROUNDING,
    name: str | None = None,
) -> ArchSpec:
    """Scales depth by α^φ, width by β^φ and resolution by γ^φ (arXiv:1905.11946, equation 3).

    Repeats are rounded up and widths by `rounding`; the resolution goes to the nearest pixel.
    Width and depth may change twentyfold, the resolution down to the network's total stride.
    φ = 0 gives the base itself; a negative or fractional φ works as well. The name defaults to
    the base's with `_phi` and φ. Raises `InputError` naming φ where no network results.
    """
    name = name or f"{spec.name}_phi{phi + 0.0:g}"  # + 0.0 turns −0 into 0
    depth, width, ratio = multipliers(phi, constants)
    if phi == 0:
        return replace(spec, name=name)
    resolution = _scaled_resolution(spec, phi, ratio)
    _check_factors(spec, phi, width=width, depth=depth)
    try:
        return resize(
            spec, width=width, depth=depth, resolution=resolution, name=name, rounding=rounding
        )
    except (SpecError, OverflowError) as error:
        raise InputError(f"φ = {phi:g} is too far from 0 for {spec.name}: {error}") from None


def implied_phi(width: float, depth: float, resolution_ratio: float) -> float:
    """Returns log2(d·w²·r²): the φ at which a product of exactly 2 gives these multipliers' cost.

    It places published members such as B1–B7, whose multipliers are not powers of α, β, γ.
    """
    cost_ratio = depth * width**2 * resolution_ratio**2
    if not (math.isfinite(cost_ratio) and min(width, depth, resolution_ratio) > 0):
        raise InputError(
            f"width {width:g}, depth {depth:g} and resolution ratio {resolution_ratio:g} "
            "must all be positive"
        )
    return math.log2(cost_ratio)


def macs_label(macs: float) -> str:
    """Writes MACs as people do, in millions: `2M`, `1.5M`, `400M`."""
    return f"{macs / 1e6:.10g}M"


def macs_text(macs: float) -> str:
    """Writes MACs for a message, in four digits: `28.18M`, `72.69G`."""
    for unit, size in (("T", 1e12), ("G", 1e9)):
        if macs >= size:
            return f"{macs / size:.4g}{unit}"
    return f"{macs / 1e6:.4g}M"
