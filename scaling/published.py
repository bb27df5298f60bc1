"""The families as published: exact members of the catalog, and the φ that each one implies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from scaling.compound import Constants, implied_phi
from scaling.family import Member
from search_spaces.catalog import CATALOG, catalog_spec
from search_spaces.cost import cost
from search_spaces.entry import Entry
from search_spaces.errors import InputError

__all__ = ["PhiByDimension", "published_family", "published_figures"]


@dataclass(frozen=True, slots=True)
class PhiByDimension:
    """Holds the φ at which α^φ, β^φ and γ^φ give a member's own depth, width and resolution.

    They would be equal if the member followed the constants. None: that constant is 1.
    """

    depth: float | None
    width: float | None
    resolution: float | None

    @staticmethod
    def of(member: Member, base_resolution: int, constants: Constants) -> PhiByDimension:
        """Solves each of the three equations."""
        ratio = member.resolution / base_resolution
        return PhiByDimension(
            _exponent(member.depth, constants.alpha),
            _exponent(member.width, constants.beta),
            _exponent(ratio, constants.gamma),
        )


def _exponent(factor: float, base: float) -> float | None:
    return None if base == 1 else round(math.log(factor) / math.log(base), 4)


def _same_base(one: Entry, other: Entry) -> bool:
    return (one.blocks, one.stem_ch, one.act) == (other.blocks, other.stem_ch, other.act)


def _is_base(entry: Entry) -> bool:
    return entry.width == entry.depth == 1


def _names(name: str) -> list[str]:
    """Lists a family's members, its base first."""
    if name not in CATALOG:
        return []
    names = [other for other in CATALOG if _same_base(CATALOG[name], CATALOG[other])]
    return names if _is_base(CATALOG[names[0]]) else []


def _families() -> str:
    bases = (name for name, entry in CATALOG.items() if _is_base(entry))
    return ", ".join(name for name in bases if len(_names(name)) > 1 and _names(name)[0] == name)


def published_family(name: str) -> tuple[Member, ...]:
    """Returns the published members of a catalog network's family, the base first, exactly.

    φ is log2(d·w²·r²), by which the nominal ratio is d·w²·r² itself. Raises `InputError`, with the
    families there are, for a network of which no scaled members were published.
    """
    names = _names(name)
    if len(names) < 2:
        raise InputError(
            f"no family was published of {name!r}; --published lists those of {_families()}"
        )
    return tuple(_member(other, names[0]) for other in names)


def _member(name: str, base: str) -> Member:
    entry, first = CATALOG[name], CATALOG[base]
    width, depth = entry.width, entry.depth
    phi = implied_phi(width, depth, entry.resolution / first.resolution)
    spec = catalog_spec(name)
    counted = cost(spec)
    return Member(
        name=name,
        phi=round(phi, 4),
        depth=depth,
        width=width,
        spec=spec,
        params=counted.params,
        macs=counted.macs,
        macs_ratio=counted.macs / cost(catalog_spec(base)).macs,
        nominal_ratio=2.0**phi,
        product_ratio=2.0**phi,
        resolution=spec.resolution,
    )


def published_figures(name: str) -> dict[str, Any]:
    """Returns a network's params, MACs and top-1 (%) as its authors wrote them (None: nowhere)."""
    entry = CATALOG[name]
    return {"params": entry.params or None, "macs": entry.macs or None, "top1": entry.top1}
