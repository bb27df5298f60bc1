"""`nas bench` and its subcommands: names, options, and what is printed."""

from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import experiments.bench as benches
from experiments.bench import BENCHES
from experiments.benching.app import app
from tests.conftest import Caller
from tests.test_cli_errors import assert_refused

CONTESTS = {"recipes", "progressive", "proxy", "scaling", "search"}
OPTIONED = {"blocks", "latency", "predictor", "zerocost", *CONTESTS}


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Makes every bench without options give one row at once; returns the names of those run."""
    ran: list[str] = []

    def run(name: str) -> list[dict[str, Any]]:
        ran.append(name)
        return [{"what": name, "n": 1}]

    monkeypatch.setattr(benches, "run_bench", run)
    return ran


def test_every_bench_is_a_subcommand_with_json() -> None:
    commands: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
    assert set(commands) >= {"all", *BENCHES, *OPTIONED}
    for name, command in commands.items():
        assert "--json" in {flag for option in command.params for flag in option.opts}, name
        assert command.help, name


@pytest.mark.parametrize("words", [(), ("all",)])
def test_alone_all_of_them_run(call: Caller, counted: list[str], words: tuple[str, ...]) -> None:
    assert call("bench", *words).status == 0
    assert counted == [*BENCHES]


@pytest.mark.parametrize("words", [("fit", "--json"), ("--json", "fit")])
def test_one_bench(call: Caller, counted: list[str], words: tuple[str, ...]) -> None:
    assert call("bench", *words).document == {"fit": [{"what": "fit", "n": 1}]}
    assert counted == ["fit"]


@pytest.mark.parametrize("name", BENCHES)
def test_what_is_listed_is_there(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    rows = [{"what": "nothing"}]
    monkeypatch.setattr(f"experiments.bench.{name}.bench_{name}", lambda: rows)
    assert benches.run_bench(name) is rows


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("speed",), "no bench is called 'speed'; they are all, cost"),
        (("cots",), "no bench is called 'cots'; did you mean cost?"),
        (("fit", "--seeds", "2"), "No such option: --seeds"),
        (("cost", "--table", "no.json"), "No such option: --table"),
        (("latency", "--table", "no.json", "--visits", 2), "No such option: --visits"),
        (("recipes", "--keep", "kept"), "Missing option '--data'"),
        (("progressive", "--data", "digits"), "Missing option '--keep'"),
        (("recipes", "--data", "digits", "--keep", "kept", "--time", "soon"), "--time 'soon'"),
        (("zerocost", "--table", "x", "--data", "digits"), "Missing option '--measured'"),
        (("proxy",), "needs --data, or --run"),
        (("proxy", "--run", "r", "--epochs", 3), "--epochs does not go with --run"),
        (("proxy", "--run", "r"), "r: not a run folder"),
        (("proxy", "--data", "digits", "--scores", "naswott"), "did you mean 'naswot'?"),
        (("proxy", "--data", "digits", "--target-macs", "many"), "--target-macs"),
    ],
)
def test_a_bad_input_gets_one_line(call: Caller, words: tuple[object, ...], message: str) -> None:
    assert_refused(call("bench", *words), message)


def test_a_proxy_is_checked_from_the_command_line(call: Caller, tmp_path: Path) -> None:
    words = ("bench", "proxy", "--data", "digits", "--limit", 120, "--networks", 4, "--seeds", 1,
             "--space", "fused", "--width", 0.25, "--set", "batch_size=32", "--proxy-epochs", 1,
             "--epochs", 1, "--device", "cpu", "--keep", "kept.jsonl")  # fmt: skip
    first = call(*words)
    assert first.status == 0, first.err
    assert "what orders the networks" in first.out
    assert "The proxy orders networks as the full recipe does" in first.out
    lines = (tmp_path / "kept.jsonl").read_text()
    document = call(*words, "--json").document
    assert len(document["networks"]) == 4
    assert (tmp_path / "kept.jsonl").read_text() == lines
