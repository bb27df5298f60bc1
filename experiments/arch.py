"""ARCH, wherever the command asks for it: a catalog or timm name, a spec file, a run, weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.store import RunFolder
from search_spaces.catalog import CATALOG, catalog_spec
from search_spaces.codec import spec_from_json
from search_spaces.errors import InputError
from search_spaces.resize import ROUNDING, Rounding, limit_stride
from search_spaces.spec import ArchSpec

if TYPE_CHECKING:
    from experiments.checkpoint import TrainingInfo

__all__ = ["Arch", "adapted", "resolve_arch"]

TIMM = "timm:"


@dataclass(frozen=True, slots=True)
class Arch:
    """Holds an architecture and where it came from; `run` and `checkpoint` are set where known.

    `rounding` is the rule by which its authors scaled it.
    """

    spec: ArchSpec
    run: RunFolder | None = None
    checkpoint: Path | None = None
    info: TrainingInfo | None = None
    rounding: Rounding = ROUNDING


def resolve_arch(text: str) -> Arch:
    """Returns what ARCH names; raises `InputError` for what is none of its five forms."""
    if text.startswith(TIMM):
        return Arch(_from_timm(text.removeprefix(TIMM)))
    path = Path(text)
    if path.is_dir():
        return _from_run(path)
    if path.suffix == ".safetensors":
        if not path.is_file():
            raise InputError(f"{path}: there is no such file")
        info = _read_info(path)
        return Arch(info.spec, checkpoint=path, info=info)
    if path.is_file():
        return Arch(_from_file(path))
    entry = CATALOG.get(text.partition("@")[0])
    if entry is not None:
        return Arch(catalog_spec(text), rounding=entry.rounding)
    if "/" in text or path.suffix:
        raise InputError(f"{text}: there is no such file or run folder")
    try:
        return Arch(catalog_spec(text))
    except InputError as error:
        raise InputError(f"{error} (timm:NAME reads one of timm's)") from None


def _from_timm(name: str) -> ArchSpec:
    from search_spaces.timm_models import timm_spec  # noqa: PLC0415 (brings torch and timm)

    return timm_spec(name)


def _from_file(path: Path) -> ArchSpec:
    try:
        text = path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(
            f"{path}: not a spec file, and only .safetensors checkpoints are read ({error})"
        ) from None
    return spec_from_json(text, where=str(path))


def _from_run(path: Path) -> Arch:
    run = RunFolder(path)
    if not RunFolder.is_run(path):
        raise InputError(f"{path}: not a run folder (it has no run.toml)")
    if not run.best_path.is_file():
        return _from_training(run)
    spec = _from_file(run.best_path)
    checkpoint = run.family_path / f"{spec.name}_phi0.safetensors"
    if not checkpoint.is_file():
        return Arch(spec, run=run)
    return Arch(spec, run=run, checkpoint=checkpoint, info=_read_info(checkpoint))


def _from_training(run: RunFolder) -> Arch:
    """Returns what `nas train` left in a folder, where it is the only thing there."""
    checkpoints = sorted(run.path.glob("*.safetensors"))
    if len(checkpoints) != 1:
        raise InputError(f"{run.path}: has no best network yet; run `nas search` there first")
    info = _read_info(checkpoints[0])
    return Arch(info.spec, run=run, checkpoint=checkpoints[0], info=info)


def _read_info(path: Path) -> TrainingInfo:
    from experiments.checkpoint import read_info  # noqa: PLC0415 (brings torch, rarely needed)

    return read_info(path)


def adapted(
    spec: ArchSpec, *, resolution: int | None = None, max_stride: int | None = None
) -> ArchSpec:
    """Returns a spec at another resolution, or with its total stride limited, where asked."""
    if max_stride is not None:
        spec = limit_stride(spec, max_stride)
    return spec if resolution is None else replace(spec, resolution=resolution)
