"""Options that are declared once, as a dataclass, and that several commands have."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from experiments.grouping import grouped

Depth = Annotated[int, typer.Option("--depth", min=1, help="how deep")]
Name = Annotated[str | None, typer.Option("--name")]


@dataclass(frozen=True)
class Size:
    """Is a group of options."""

    depth: Depth = 3
    name: Name = None


seen: list[tuple[str, Size, bool]] = []


def command(base: str, *, size: Size, loud: bool = False) -> None:
    """Does something."""
    seen.append((base, size, loud))


@pytest.fixture
def app() -> typer.Typer:
    found = typer.Typer()
    found.command()(grouped(command))
    seen.clear()
    return found


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["x"], ("x", Size(), False)),
        (["x", "--depth", "5", "--loud"], ("x", Size(depth=5), True)),
        (["--name", "n", "x"], ("x", Size(name="n"), False)),
    ],
)
def test_a_group_is_made_of_its_options(
    app: typer.Typer, words: list[str], expected: tuple[str, Size, bool]
) -> None:
    assert CliRunner().invoke(app, words).exit_code == 0
    assert seen == [expected]


def test_its_options_are_checked_and_shown_like_any(app: typer.Typer) -> None:
    assert CliRunner().invoke(app, ["x", "--depth", "0"]).exit_code == 2
    assert seen == []
    shown = CliRunner().invoke(app, ["--help"]).output
    assert shown.index("--depth") < shown.index("--name") < shown.index("--loud")
    assert "how deep" in shown
