"""What `nas cost --latency` shows: times measured, compared, or predicted from a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from experiments.amounts import parse_seconds
from experiments.arch import adapted, resolve_arch
from experiments.latency_table import read_table
from experiments.listing import cost_document
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec

__all__ = ["LatencyOptions", "refuse_latency_options", "timing_document"]

SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class LatencyOptions:
    """Holds the options of `nas cost --latency` as they were given; None: not given."""

    device: str | None = None
    against: str | None = None
    table: Path | None = None
    time: str | None = None
    no_step: bool | None = None


def refuse_latency_options(options: LatencyOptions) -> None:
    """Raises `InputError` for an option that means nothing without --latency."""
    for field in fields(options):
        if getattr(options, field.name) is not None:
            name = field.name.replace("_", "-")
            raise InputError(f"--{name} belongs to --latency; add it, or leave --{name} out")


def timing_document(
    spec: ArchSpec,
    options: LatencyOptions,
    *,
    batch: int | None = None,
    resolution: int | None = None,
    max_stride: int | None = None,
) -> dict[str, Any]:
    """Times a network, or predicts its time where a table is given; `batch` None: the device's.

    The network that it is compared with is brought to the same resolution and stride, where asked.
    """
    document = cost_document(spec, batch=batch or 1)
    if options.table is not None:
        return document | {"timing": _predicted(spec, options, batch)}
    seconds = SECONDS if options.time is None else parse_seconds(options.time, what="--time")
    other = None
    if options.against is not None:
        found = resolve_arch(options.against).spec
        other = adapted(found, resolution=resolution, max_stride=max_stride)
    return document | {"timing": _measured(spec, options, batch, seconds, other)}


def _predicted(spec: ArchSpec, options: LatencyOptions, batch: int | None) -> dict[str, Any]:
    assert options.table is not None
    for field, value in {**asdict(options), "table": None, "batch": batch}.items():
        if value is not None:
            name = field.replace("_", "-")
            raise InputError(f"--{name} is for measuring; --table predicts and measures nothing")
    table = read_table(options.table)
    seconds = table.blocks().predict(spec)
    return {
        "table": str(options.table),
        **table.made_for.model_dump(),
        "predicted_s": seconds,
        "images_per_s": table.made_for.batch / seconds,
    }


def _measured(
    spec: ArchSpec,
    options: LatencyOptions,
    batch: int | None,
    seconds: float,
    other: ArchSpec | None,
) -> dict[str, Any]:
    from experiments import comparison, latency  # noqa: PLC0415 (bring torch; a table needs none)
    from experiments.device import pick_device  # noqa: PLC0415

    device = pick_device(options.device or "auto")
    many = batch or latency.default_batch(device)
    document: dict[str, Any] = latency.device_facts(device)
    if other is not None:
        compared = comparison.compare(
            spec,
            other,
            device=device,
            batch=batch or 1,
            seconds=comparison.TIMES_LONGER * seconds,
        )
        return document | {
            "against": other.name,
            "batch": batch or 1,
            "comparison": asdict(compared),
        }
    wanted: list[tuple[str, latency.Work, int]] = [
        ("latency", "inference", 1),
        ("throughput", "inference", many),
        ("training_step", "training", many),
    ]
    if options.no_step is not None:
        del wanted[2]
    for _, work, images in wanted:  # before any of them is timed
        latency.check_memory(spec, device=device, batch=images, work=work)
    for name, work, images in wanted:
        timing = latency.measure(spec, device=device, batch=images, work=work, seconds=seconds)
        document[name] = _timing(timing, images)
    return document


def _timing(timing: Any, batch: int) -> dict[str, Any]:
    return {
        "batch": batch,
        "median_s": timing.median,
        "low_s": timing.low,
        "high_s": timing.high,
        "spread_s": timing.spread,
        "n": timing.n,
        "warm_ups": timing.warm_ups,
        "images_per_s": batch / timing.median,
    }
