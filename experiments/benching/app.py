"""`nas bench`, its subcommands, and what it says to a name that none of them has."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperGroup

from experiments import options as o
from experiments.bench import BENCHES
from experiments.benching import (
    contests,
    halving,
    inherit,
    parallel,
    predictor,
    proxy,
    race,
    scaling,
    search,
    simulate,
    study,
    tables,
    zerocost,
)
from experiments.benching.showing import show
from search_spaces.errors import InputError

__all__ = ["app"]

HELP = "Measures this machine; every bench that needs no options, unless one is named."


class _Benches(TyperGroup):
    """Holds the benches by name."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Finds the bench; raises `InputError` with the nearest name for one that is not known."""
        if args[0] not in self.commands:
            near = difflib.get_close_matches(args[0], self.commands, n=1)
            right = f"did you mean {near[0]}?" if near else f"they are {', '.join(self.commands)}"
            raise InputError(f"no bench is called {args[0]!r}; {right}")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Benches,
    help=HELP,
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def _alone(context: typer.Context, json: o.Json = False) -> None:
    if context.invoked_subcommand is None:
        show(BENCHES, json)
    elif json:  # given before the bench's name
        context.default_map = {context.invoked_subcommand: {"json": True}}


def _plain(*names: str) -> Callable[..., None]:
    """Makes the command that runs benches without options."""

    def command(json: o.Json = False) -> None:
        show(names, json)

    return command


app.command("all", help="Runs every bench that needs no options.")(_plain(*BENCHES))
for _name, _summary in BENCHES.items():
    app.command(_name, help=_summary)(_plain(_name))
_GROUPS = (
    tables, predictor, zerocost, proxy, search, simulate, halving, race, inherit, scaling, study,
    contests, parallel,
)  # fmt: skip
for _group in _GROUPS:
    for _name, _command in _group.COMMANDS.items():
        app.command(_name)(_command)
