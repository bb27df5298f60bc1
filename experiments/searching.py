"""The command that searches: anew, on from where a run stopped, or among predicted accuracies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from experiments import options as o
from experiments.grouping import grouped
from experiments.opening import given, opened, reporting
from experiments.option_groups import AimOptions, PlacementOptions, SearchOptions
from search_spaces.errors import InputError

if TYPE_CHECKING:
    from experiments.session import Session

__all__ = ["COMMANDS"]

NEEDED = "only --resume and --evaluator imagenet need neither data nor a folder"
FREE = (  # of what run.toml says nothing
    "resume", "json", "device", "loaders", "deterministic", "storage",
    "workers", "ray", "cpus", "gpus", "retries",
)  # fmt: skip


# fmt: off
@grouped
def search(
    context: typer.Context, *,
    data: o.MaybeData = None, out: o.MaybeOut = None, resume: o.ResumeSearch = None,
    evaluator: o.Evaluator = "training", limits: AimOptions,
    limit: o.Limit = None, image_size: o.ImageSize = None,
    searched: SearchOptions, hints: o.Hints = None, hints_first: o.HintsFirst = 0,
    recipe: o.Recipe = "fast", set_: o.Set = None,
    placed: PlacementOptions, loaders: o.Loaders = None,
    seed: o.Seed = 0, seeds: o.Seeds = 1, device: o.Device = "auto",
    deterministic: o.Deterministic = False, json: o.Json = False,
) -> None:
    """Searches a space for the network of the best reward, or for a front of accuracy and cost."""
    if evaluator != "training":
        _predicted(
            context, evaluator, limits.target_macs, out, json, space=searched.space,
            resolution=searched.resolution, objective=limits.objective, exponent=limits.exponent,
            trials=searched.trials,
        )  # fmt: skip
        return
    placement = placed.request()
    if resume is not None:
        how = {
            "device": device, "loaders": loaders, "deterministic": deterministic,
            "placement": placement, "storage": searched.storage,
        }  # fmt: skip
        _resumed(context, resume, json, how)
        return
    if data is None or out is None:
        raise InputError(f"Missing option '{'--data' if data is None else '--out'}' ({NEEDED})")
    from experiments.requests import data_request

    asked = searched.request(limits.read(), seeds=seeds, hints=hints, hints_first=hints_first)
    request = data_request(
        data, limit=limit, image_size=image_size, seed=seed, device=device, recipe=recipe,
        overrides=set_, loaders=loaders, deterministic=deterministic, placement=placement,
    )  # fmt: skip
    with opened(request, out, json, asked) as session:
        _finish(session, json)
# fmt: on


def _finish(session: Session, json: bool) -> None:
    """Searches as run.toml says, and prints what was found."""
    from experiments.render import print_json, print_search
    from experiments.search_results import search_document
    from experiments.search_step import run_search, search_work

    session.reporter.plan(search_work(session))
    session.reporter.step("Search")
    with session.folder.timed("search"):
        run_search(session)
    document = search_document(session.folder)
    print_json(document) if json else print_search(document)


def _resumed(context: typer.Context, path: Path, json: bool, how: dict[str, Any]) -> None:
    """Goes on with a search, as its folder says and nothing else."""
    from experiments.prepare import reopen
    from experiments.store import RunFolder
    from nas.objective import is_plugin

    for parameter in context.command.params:
        if parameter.name and parameter.name not in FREE and given(context, parameter.name):
            raise InputError(
                f"--resume {path} says what is searched for; leave {parameter.opts[0]} out"
            )
    asked = RunFolder(path).read().search
    if asked is None:
        raise InputError(f"{path}: nothing was searched in this run folder")
    if is_plugin(asked.objective):
        raise InputError(
            f"{path}: its reward is {asked.objective}, and nothing that a file names is imported; "
            "give the whole command again instead of --resume"
        )
    with (
        reporting(json) as reporter,
        reopen(RunFolder(path), reporter, **how) as session,
    ):
        _finish(session, json)


def _predicted(
    context: typer.Context,
    evaluator: str,
    target_macs: str | None,
    out: Path | None,
    json: bool,
    **asked: Any,
) -> None:
    """Answers from predicted accuracies, without data."""
    from experiments.imagenet.command import predicted_search
    from experiments.imagenet.request import asked_of
    from experiments.imagenet.text import print_answer
    from experiments.render import print_json

    document = predicted_search(asked_of(context, evaluator, target_macs, **asked), out)
    print_json(document) if json else print_answer(document)


COMMANDS: Mapping[str, Callable[..., None]] = {"search": search}
