"""Amounts as people write them: 20M MACs, 0.4G, 30m, 2h, 0:3."""

from __future__ import annotations

import re

from search_spaces.errors import InputError

__all__ = [
    "format_bytes",
    "format_count",
    "format_seconds",
    "parse_bytes",
    "parse_count",
    "parse_range",
    "parse_seconds",
]

_UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}
_SECONDS = {
    "": 1.0,
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}
_BYTES = {"": 1.0, "b": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "kb": 1e3, "mb": 1e6, "gb": 1e9}
_BYTES |= {"kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)(e[+-]?\d+)?\s*([a-z]*)\s*", re.IGNORECASE)


def _parse(text: str, units: dict[str, float], what: str, example: str) -> float:
    match = _AMOUNT.fullmatch(text)
    if match is None or match[3].lower() not in units:
        raise InputError(f"{what} {text!r} cannot be read; write it as {example}")
    value = float(match[1] + (match[2] or "")) * units[match[3].lower()]
    if not 0 < value < float("inf"):
        raise InputError(f"{what} is {text!r}; it must be positive")
    return value


def parse_count(text: str, *, what: str = "amount") -> float:
    """Reads `2M` as 2·10⁶ and `0.4G` as 4·10⁸; raises `InputError` for what cannot be read."""
    return _parse(text, _UNITS, what, "2M or 0.4G")


def parse_seconds(text: str, *, what: str = "time") -> float:
    """Reads `90`, `90s`, `30m`, `2h` or `5ms` as seconds; raises `InputError` otherwise."""
    return _parse(text, _SECONDS, what, "90s, 30m or 2h")


def parse_bytes(text: str, *, what: str = "memory") -> float:
    """Reads `2GiB` as 2·2³⁰ and `2G` or `2GB` as 2·10⁹ bytes; raises `InputError` otherwise."""
    return _parse(text, _BYTES, what, "512MiB or 2GiB")


def parse_range(text: str, *, what: str = "range") -> tuple[float, float]:
    """Reads `1:2` as (1, 2) and `1.2` as (1.2, 1.2); raises `InputError` otherwise."""
    low, colon, high = text.partition(":")
    try:
        return float(low), float(high if colon else low)
    except ValueError:
        raise InputError(f"{what} {text!r} cannot be read; write it as 1:2") from None


def format_count(value: float) -> str:
    """Writes 2 034 112 as `2.03M`."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= 0.9995 * size:  # what rounds to 1000k is 1M
            return (
                f"{value / size:.3g}{unit}" if value < 999.5 * size else f"{value / size:.0f}{unit}"
            )
    return f"{value:g}"


def format_seconds(seconds: float) -> str:
    """Writes 3 725 s as `1h02m`, 125 s as `2m05s` and 4.2 s as `4.2s`."""
    if seconds < 59.5:
        return f"{seconds:.1f}s" if seconds < 9.95 else f"{seconds:.0f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    return f"{minutes // 60}h{minutes % 60:02d}m"


def format_bytes(value: float) -> str:
    """Writes 1 572 864 bytes as `1.5MiB`."""
    if value >= 1000 * 2**30:
        return f"{value / 2**30:,.0f}GiB"
    return f"{value / 2**30:.3g}GiB" if value >= 2**30 else f"{value / 2**20:.3g}MiB"
