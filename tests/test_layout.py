"""Which package may import which, read from the sources and from what imports really load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BELOW = {
    "cli": {"experiments", "nas", "scaling", "search_spaces"},
    "experiments": {"nas", "scaling", "search_spaces"},
    "nas": {"search_spaces"},
    "scaling": {"search_spaces"},
    "search_spaces": set[str](),
}
SOURCES = [
    ROOT / "cli.py",
    *(path for name in BELOW if name != "cli" for path in sorted((ROOT / name).rglob("*.py"))),
]


def imported(path: Path) -> set[str]:
    """Returns the packages that a source imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where they lead"
            found.add(node.module or "")
    return {name.partition(".")[0] for name in found}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0].removesuffix(".py")
    ours = imported(path) & set(BELOW)
    assert ours <= BELOW[package] | {package}
    assert "tests" not in imported(path)


def test_every_source_is_looked_at() -> None:
    tracked = {path.relative_to(ROOT).parts[0] for path in SOURCES}
    assert tracked == {"cli.py", "experiments", "nas", "scaling", "search_spaces"}
    assert len(SOURCES) > 40


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "name",
    [
        *("spec", "codec", "cost", "space", "spaces", "space_reading"),
        *("catalog", "resize", "latency", "chains"),
    ],
)
def test_architectures_are_values_that_need_no_torch(name: str) -> None:
    loaded = loaded_by(f"import search_spaces.{name}")
    assert not loaded & {"torch", "optuna", "pandas", "pydantic"}


def test_scaling_needs_no_torch() -> None:
    assert "torch" not in loaded_by("import scaling.compound, scaling.grid, scaling.family")


def test_the_command_imports_nothing_heavy_until_it_must() -> None:
    heavy = {"torch", "optuna", "pandas", "numpy", "sklearn", "plotly", "pydantic", "kornia"}
    assert not loaded_by("import cli") & heavy


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_edge_prints(path: Path) -> None:
    if path.relative_to(ROOT).parts[0] in ("cli.py", "experiments"):
        return
    calls = [n.func for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
    names = {func.id for func in calls if isinstance(func, ast.Name)}
    assert not names & {"print", "open", "input"}
