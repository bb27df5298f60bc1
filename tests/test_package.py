import json
import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "optuna", "pandas", "numpy", "pyarrow", "pydantic", "sklearn", "rich.progress")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def empty_environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Installs the wheel, with what it needs, where there is nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    constraints = str(ROOT / "constraints.txt")
    install = [str(folder / "bin" / "pip"), "install", "-q", "--no-compile", "-c", constraints]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    return folder


def _nas(environment: Path, *words: str) -> str:
    """Runs the installed command away from the checkout, so that only the wheel can answer."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [str(environment / "bin" / "nas"), *words],
        check=True, capture_output=True, text=True, cwd=environment, env=clean,
    )  # fmt: skip
    return done.stdout


def test_the_wheel_works_in_an_empty_environment(empty_environment: Path) -> None:
    assert "search" in _nas(empty_environment, "--help")
    counted = json.loads(_nas(empty_environment, "cost", "efficientnet_b0", "--json"))
    assert counted["params"] == 5_288_548
    recipes = json.loads(_nas(empty_environment, "list", "--recipes", "--json"))["recipes"]
    assert "fast" in [recipe["name"] for recipe in recipes]
    search = ("search", "--evaluator", "imagenet", "--target-macs", "300M", "--json")
    assert json.loads(_nas(empty_environment, *search))["maximum"]["proven"]
    doctor = json.loads(_nas(empty_environment, "doctor", "--json"))
    assert doctor["healthy"]
    assert "onnx" in [package["name"] for package in doctor["missing"]]


def test_a_format_whose_packages_are_missing_says_how_to_get_them(empty_environment: Path) -> None:
    command = [str(empty_environment / "bin" / "nas"), "export", "mobilenetv2", "--format", "onnx"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=empty_environment, check=False
    )
    assert done.returncode == 2
    assert "pip install 'compound-nas[onnx]'" in done.stderr


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys, contextlib, io, cli\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    cli.app(['--help'], standalone_mode=False)\n"
        "print(' '.join(sys.modules))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    assert not set(HEAVY) & set(done.stdout.split())


def test_constraints_pin_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {
        line.partition("==")[0].lower()
        for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    asked = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        asked += extra
    names = {line.partition(">")[0].partition("[")[0] for line in asked}
    assert names - {"compound-nas"} <= pinned
