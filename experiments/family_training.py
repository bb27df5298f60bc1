"""The family that `nas scale` or `nas run` wrote, trained: smaller members first."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.checkpoint import TrainingInfo
from experiments.config import FamilyConfig, write_config
from experiments.final_step import Final, train_ahead
from experiments.growing import member_training
from experiments.inheriting import heir, note_obstacles
from experiments.recipes import Recipe
from experiments.session import Session
from experiments.store import RunFolder
from nas.search import derive_seed
from scaling.inherit import obstacles
from search_spaces.codec import spec_from_json, spec_to_json
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec

__all__ = ["FamilyMember", "FamilyPlan", "family_members", "train_family"]


@dataclass(frozen=True, slots=True)
class FamilyPlan:
    """Says how a family is trained: whether each member `inherits` from the next smaller one.

    Those that do train for `epochs` (None: the recipe's).
    """

    inherits: bool = False
    epochs: int | None = None

    def __post_init__(self) -> None:
        if self.epochs is not None and not self.inherits:
            raise InputError("--inherit-epochs is for members that inherit; add --inherit")


@dataclass(frozen=True, slots=True)
class FamilyMember:
    """Holds a member with what it is regularised by: its φ, and the base's dropout (None: its own).

    A member whose φ is 0 trains as the recipe says.
    """

    spec: ArchSpec
    phi: float = 0.0
    base_dropout: float | None = None

    def training(self, recipe: Recipe) -> tuple[ArchSpec, Recipe]:
        """Returns its spec and recipe for a training."""
        dropout = self.spec.dropout if self.base_dropout is None else self.base_dropout
        return member_training(self.spec, self.phi, recipe, base_dropout=dropout)

    def as_row(self) -> dict[str, Any]:
        """Returns its row of family.json."""
        return {
            "name": self.spec.name,
            "resolution": self.spec.resolution,
            "phi": self.phi,
            "base_dropout": self.base_dropout,
        }


def family_members(folder: RunFolder, plan: FamilyPlan) -> tuple[FamilyMember, ...]:
    """Reads a folder's family, smaller members first.

    Raises `InputError` where there is none, or where one could not inherit from the one before.
    """
    table = folder.family_path / "family.json"
    try:
        rows = [(str(row["name"]), row) for row in json.loads(table.read_text())]
        texts = [(folder.family_path / f"{name}.json").read_text() for name, _ in rows]
    except FileNotFoundError as error:
        raise InputError(
            f"{folder.path}: has no family ({error.filename} is missing); "
            f"`nas scale {folder.path} --phi 0:3 --out {folder.path}` makes one"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{table}: cannot be read; run `nas scale` again") from None
    members = [
        FamilyMember(
            spec_from_json(text, where=str(folder.family_path)),
            phi=float(row.get("phi") or 0.0),
            base_dropout=row.get("base_dropout"),
        )
        for text, (_, row) in zip(texts, rows, strict=True)
    ]
    ordered = tuple(sorted(members, key=lambda member: cost(member.spec).macs))
    if plan.inherits:
        for smaller, larger in itertools.pairwise(ordered):
            obstacles(smaller.spec, larger.spec)
    return ordered


def train_family(
    session: Session, members: Sequence[FamilyMember], plan: FamilyPlan
) -> dict[str, Any]:
    """Trains members in their order, those not finished yet; returns what came of each.

    A member that inherits has a checkpoint of its own, NAME.inherited.safetensors.
    """
    folder, recipe = session.folder, session.config.recipe
    config = session.config.model_copy(
        update={"family": FamilyConfig(inherits=plan.inherits, epochs=plan.epochs)}
    )
    write_config(folder.config_path, config)
    classes = session.data.num_classes
    members = [replace(m, spec=replace(m.spec, num_classes=classes)) for m in members]
    _write_specs(folder, members)
    later = plan.epochs or recipe.epochs
    epochs = [recipe.epochs, *(later if plan.inherits else recipe.epochs for _ in members[1:])]
    reporter = session.reporter
    reporter.plan(sum(session.work(m.spec, e) for m, e in zip(members, epochs, strict=True)))
    reporter.step(f"Train the family: {len(members)} members")
    rows, before = [], None
    with folder.timed("family"):
        if not plan.inherits:  # those that inherit wait for one another
            train_ahead(session, [_final(session, member) for member in members])
        for member, count in zip(members, epochs, strict=True):
            path, info = _train_member(session, member, count, before)
            rows.append(_row(member.spec, path, info))
            before = path if plan.inherits else None
    return {"inherits": plan.inherits, "members": rows, "path": str(folder.family_path)}


def _write_specs(folder: RunFolder, members: Sequence[FamilyMember]) -> None:
    """Writes the family down in a folder that has none yet, for the next call."""
    table = folder.family_path / "family.json"
    if table.is_file():
        return
    for member in members:
        path = folder.family_path / f"{member.spec.name}.json"
        folder.write_json(path, json.loads(spec_to_json(member.spec)))
    folder.write_json(table, [member.as_row() for member in members])


def _final(session: Session, member: FamilyMember) -> Final:
    spec, recipe = member.training(session.config.recipe)
    return Final(spec, spec.name, session.folder.family_path, recipe, 1)


def _train_member(
    session: Session, member: FamilyMember, epochs: int, before: Path | None
) -> tuple[Path, TrainingInfo]:
    """Trains a member, from the checkpoint `before` where there is one."""
    spec, recipe = member.training(session.config.recipe)
    name = spec.name if before is None else f"{spec.name}.inherited"
    path = session.folder.family_path / f"{name}.safetensors"
    start = None if before is None else heir(spec, before)
    note_obstacles(session.reporter, start, spec)
    if epochs != recipe.epochs:
        recipe = recipe.model_copy(update={"epochs": epochs})
    seed = derive_seed(session.config.seed, "final", 0)  # as `nas run` trains it
    info = session.train_final(
        spec, path, recipe=recipe, seed=seed, replaces=True, start=start
    )  # fmt: skip
    return path, info


def _row(spec: ArchSpec, path: Path, info: TrainingInfo) -> dict[str, Any]:
    inherited = info.metrics.get("inherited")
    kept = ("macs", "params", "validation_accuracy", "test_accuracy", "epochs", "seconds")
    return {
        "name": spec.name,
        "resolution": spec.resolution,
        **{name: info.metrics[name] for name in kept},
        "inherited_from": inherited["from"] if inherited else None,
        "preserved": inherited["preserved"] if inherited else None,
        "checkpoint": str(path),
    }
