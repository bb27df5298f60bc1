"""The family that constants make of a base: its members, what they cost, whether they train."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.amounts import parse_count
from experiments.arch import Arch
from experiments.config import read_predicted
from experiments.growing import member_rates
from experiments.machines import StepTimer, machine_of, measured_steps, steps_from_table
from experiments.recipes import Recipe, load_recipe, parse_overrides
from experiments.scale_options import AS_THE_BASE, RoundingOptions
from experiments.store import RunFolder
from scaling.compound import PAPER, Constants
from scaling.family import Member, macs_ladder, parse_phis, phi_ladder
from scaling.fits import Machine, fit_on
from scaling.published import PhiByDimension, published_family, published_figures
from search_spaces.codec import fingerprint, spec_to_json
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.resize import Rounding
from search_spaces.spec import ArchSpec

__all__ = [
    "FamilyRequest",
    "base_document",
    "family_document",
    "family_recipe",
    "member_rows",
    "write_family",
]


@dataclass(frozen=True, slots=True)
class FamilyRequest:
    """Holds what was asked of a family, as it was given; None: not given.

    `phi`, `target_macs` and `published` exclude one another. `step_time` measures and `table`
    predicts the members' training steps; otherwise nothing is known of them.
    """

    phi: str | None = None
    target_macs: str | None = None
    published: bool = False
    constants: str | None = None
    rounding: RoundingOptions = AS_THE_BASE
    device: str | None = None
    memory: str | None = None
    batch: int | None = None
    step_time: bool = False
    table: Path | None = None
    out: Path | None = None

    def __post_init__(self) -> None:
        asked = {
            "--phi": self.phi is not None,
            "--target-macs": self.target_macs is not None,
            "--published": self.published,
        }
        names = [name for name, given in asked.items() if given]
        if len(names) > 1:
            raise InputError(f"{' and '.join(names)} each say which members; give one of them")
        if self.published and self.rounding != AS_THE_BASE:
            raise InputError("--published members are as published; leave rounding options out")
        if self.step_time and self.table is not None:
            raise InputError("--step-time measures and --table predicts; give one of them")

    def refuse_beside_grid(self) -> None:
        """Raises `InputError` for what only the listing of a family understands."""
        asked = {
            "--phi": self.phi, "--target-macs": self.target_macs, "--constants": self.constants,
            "--published": self.published or None, "--memory": self.memory, "--batch": self.batch,
            "--step-time": self.step_time or None, "--table": self.table,
        }  # fmt: skip
        for name, value in asked.items():
            if value is not None:
                raise InputError(f"{name} is of a family, and --grid looks for its constants first")

    def machine(self, recipe: Recipe) -> Machine:
        """Returns the machine asked for; steps are measured on one that is here."""
        device = self.device or ("auto" if self.step_time or self.table is not None else None)
        return machine_of(device, self.memory, self.batch or recipe.batch_size)

    def timer(self, machine: Machine) -> StepTimer | None:
        """Returns what tells the members' step times, or None."""
        if self.table is not None:
            return steps_from_table(self.table, machine)
        return measured_steps(machine) if self.step_time else None


def family_recipe(arch: Arch, name: str, overrides: list[str]) -> Recipe:
    """Returns the recipe that members are listed for: a run's own, unless another is named."""
    if arch.run is not None and name == "fast" and not overrides:
        try:
            return arch.run.read().recipe
        except InputError:
            read_predicted(arch.run.config_path)  # accuracies were predicted, nothing was trained
    return load_recipe(name, parse_overrides(overrides))


def family_document(
    arch: Arch, spec: ArchSpec, asked: FamilyRequest, recipe: Recipe
) -> dict[str, Any]:
    """Lists a family and what its members cost; writes its specs to `out` or the run's folder."""
    constants, rounding, source = _chosen(arch, spec, asked)
    machine = asked.machine(recipe)
    timer = asked.timer(machine)
    members = _members(arch, spec, asked, constants, rounding, grow=recipe.grow)
    base = members[0].spec if asked.published else spec
    rows = member_rows(members, base, machine=machine, recipe=recipe, timer=timer)
    if asked.published:
        rows = [
            _with_published(row, member, base, constants)
            for row, member in zip(rows, members, strict=True)
        ]
    folder = RunFolder(asked.out) if asked.out is not None else arch.run
    if folder is not None:
        write_family(folder, members, rows)
    return {
        "base": base_document(base),
        "constants": {**constants.as_dict(), "product": constants.product, "source": source},
        "rounding": asdict(rounding),
        "published": asked.published,
        "device": machine.as_dict(),
        "step_times": ("predicted" if asked.table else "measured") if timer else None,
        "members": rows,
        "path": None if folder is None else str(folder.family_path),
    }


def _members(
    arch: Arch,
    spec: ArchSpec,
    asked: FamilyRequest,
    constants: Constants,
    rounding: Rounding,
    *,
    grow: bool,
) -> tuple[Member, ...]:
    if asked.published:
        if spec != arch.spec:
            raise InputError("--published members are as published; leave resolution and stride")
        return published_family(spec.name)
    if asked.target_macs is not None:
        targets = [
            round(parse_count(part, what="--target-macs")) for part in asked.target_macs.split(",")
        ]
        return macs_ladder(spec, constants, targets, rounding=rounding, grow=grow)
    return phi_ladder(spec, constants, parse_phis(asked.phi or "0:3"), rounding=rounding, grow=grow)


def member_rows(
    members: Sequence[Member],
    base: ArchSpec,
    *,
    machine: Machine,
    recipe: Recipe,
    timer: StepTimer | None = None,
) -> list[dict[str, Any]]:
    """Returns a row a member: its counts, memory, whether it fits, and what it trains with."""
    return [_row(member, base, machine, recipe, timer) for member in members]


def _row(
    member: Member, base: ArchSpec, machine: Machine, recipe: Recipe, timer: StepTimer | None
) -> dict[str, Any]:
    fit = fit_on(member.spec, machine)
    seconds = timer(member.spec) if timer and fit.fits is not False else None
    rates = member_rates(member.spec, member.phi, recipe, base_dropout=base.dropout)
    return {
        **member.as_row(),
        "train_memory_bytes": fit.train_memory_bytes,
        "step_seconds": seconds,
        "fits": fit.fits,
        "largest_batch": fit.largest_batch,
        "recipe": rates.as_dict(),
        "base_dropout": base.dropout,
    }


def _with_published(
    row: dict[str, Any], member: Member, base: ArchSpec, constants: Constants
) -> dict[str, Any]:
    by_dimension = PhiByDimension.of(member, base.resolution, constants)
    return {
        **row,
        "phi_by_dimension": asdict(by_dimension),
        "published": published_figures(member.name),
    }


def write_family(
    folder: RunFolder, members: Sequence[Member], rows: Sequence[dict[str, Any]]
) -> None:
    """Writes a spec a member, named by its φ, and the family's table."""
    for member in members:
        path = folder.family_path / f"{member.name}.json"
        folder.write_json(path, json.loads(spec_to_json(member.spec)))
    folder.write_json(folder.family_path / "family.json", list(rows))


def base_document(base: ArchSpec) -> dict[str, Any]:
    """Describes a base."""
    counted = cost(base)
    return {
        "name": base.name,
        "fingerprint": fingerprint(base),
        "macs": counted.macs,
        "params": counted.params,
        "resolution": base.resolution,
    }


def _chosen(arch: Arch, spec: ArchSpec, asked: FamilyRequest) -> tuple[Constants, Rounding, str]:
    """Returns constants and rounding: those given, else the grid's on this base, else published."""
    found = _known(arch.run, spec) if arch.run else None
    rounding = asked.rounding.applied(found[1] if found else arch.rounding)
    if asked.constants is not None:
        return Constants.parse(asked.constants), rounding, "given"
    if found is not None:
        return found[0], rounding, "this run's grid"
    return PAPER, rounding, "EfficientNet's paper"


def _known(folder: RunFolder, base: ArchSpec) -> tuple[Constants, Rounding] | None:
    """Reads the constants that a grid on this base found, and its rounding, or returns None."""
    path = folder.constants_path
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text())
        if document["base"]["fingerprint"] != fingerprint(base):
            return None
        constants = Constants(document["alpha"], document["beta"], document["gamma"])
        return constants, Rounding(**document.get("rounding", {}))
    except (json.JSONDecodeError, KeyError, TypeError):
        raise InputError(f"{path}: cannot be read; run `nas scale --grid` again") from None
