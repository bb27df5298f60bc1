"""`nas train RUN --family`: where a family is, and what of the options it takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.opening import opened, reporting
from search_spaces.errors import InputError

if TYPE_CHECKING:
    from experiments.family_training import FamilyPlan
    from experiments.prepare import DataRequest

__all__ = ["family_document", "refuse_given"]


def refuse_given(given: Mapping[str, object], why: str) -> None:
    """Raises `InputError` for the first option that was given."""
    for name, value in given.items():
        if value is not None:
            raise InputError(f"{why}; leave {name} out")


def family_document(
    folder: Path,
    plan: FamilyPlan,
    request: DataRequest | None,
    given: Mapping[str, Any],
    *,
    quiet: bool,
    how: Mapping[str, Any],
) -> dict[str, Any]:
    """Trains the family in a run folder as the run says, or as asked in the folder of --out."""
    from experiments.family_training import family_members, train_family
    from experiments.prepare import reopen
    from experiments.store import RunFolder
    from experiments.tracking import parse_trackers

    run, out = RunFolder(folder), given["--out"]
    members = family_members(run, plan)
    resized = {name: given[name] for name in ("--weights", "--resolution", "--max-stride")}
    refuse_given(resized, "--family trains the members as they are")
    if out is not None:
        if request is None:
            raise InputError(f"--out {out} trains the family anew: --data is missing")
        with opened(request, out, quiet) as session:
            return train_family(session, members, plan)
    if not run.is_run(folder):
        raise InputError(f"{folder}: no run says how it is trained; give --data and --out")
    refuse_given(given, f"{folder} says how its family is trained (or give --out and --data)")
    how = {**how, "track": parse_trackers(how["track"] or [])}
    with reporting(quiet) as reporter, reopen(run, reporter, **how) as session:
        return train_family(session, members, plan)
