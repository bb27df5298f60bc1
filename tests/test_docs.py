import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from cli import app

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"^\$ (nas .*)$", re.MULTILINE)


def _commands() -> list[str]:
    lines = [line for page in PAGES for line in COMMAND.findall(page.read_text())]
    return [part.strip() for line in lines for part in line.split("#")[0].split(";")]


def _programs() -> list[str]:
    return [program for page in PAGES for program in PYTHON.findall(page.read_text())]


@pytest.mark.parametrize("command", _commands())
def test_every_command_in_the_docs_is_understood(command: str) -> None:
    _, *words = shlex.split(command)
    found = typer.main.get_command(app)
    while hasattr(found, "commands") and words:  # a group, and the name of one of its commands
        name, *words = words
        assert name in found.commands, command
        found = found.commands[name]
    found.make_context("nas", words)  # raises for an option that does not exist


@pytest.mark.parametrize("program", _programs(), ids=range(len(_programs())))
def test_every_program_in_the_docs_runs(program: str, tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(program)
    command = [sys.executable, str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_every_link_in_the_docs_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), target
