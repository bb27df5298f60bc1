"""Rungs of real trainings: over epochs, the images' side, their number; kept and gone on with."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from optuna import TrialPruned

from experiments.aims import Aim
from experiments.data import ImageData
from experiments.data.portion import portion
from experiments.device import Device
from experiments.halving import staged
from experiments.recipes import load_recipe
from experiments.rungs import resolve_rungs, rung_amounts
from experiments.search_request import HalvingRequest, SearchRequest
from experiments.search_step import run_search
from experiments.session import Session
from experiments.train import Engine, train
from nas.evaluation import Evaluation
from nas.halving import Halving
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec
from tests.conftest import TINY_SEARCH, Caller
from tests.experiments.conftest import Opener
from tests.experiments.conftest import weights as weights_of
from tests.test_cli_errors import assert_refused

SEARCH = SearchRequest(
    Aim(2e6), trials=4, confirm=0, epochs=3, sampler="random", halving=HalvingRequest("epochs")
)


@pytest.mark.parametrize(
    ("over", "full", "amounts"),
    [
        ("epochs", 9, (1, 3, 9)),
        ("epochs", 10, (1, 3, 10)),
        ("data", 1000, (111, 333, 1000)),
        ("image-size", 32, (11, 18, 32)),
    ],
)
def test_each_rung_has_its_share(over: str, full: int, amounts: tuple[int, ...]) -> None:
    assert rung_amounts(over, full, Halving(3, 3)) == amounts


@pytest.mark.parametrize(
    ("over", "rungs", "full", "least", "found"),
    [
        ("epochs", None, 3, 1, 2),
        ("epochs", None, 8, 1, 2),
        ("epochs", None, 9, 1, 3),
        ("epochs", None, 81, 1, 3),
        ("epochs", 5, 81, 1, 5),
        ("data", None, 600, 64, 3),
        ("image-size", None, 32, 16, 2),
    ],
)
def test_as_many_rungs_as_fit_up_to_three(
    over: str, rungs: int | None, full: int, least: int, found: int
) -> None:
    assert resolve_rungs(over, rungs, 3, full=full, least=least).rungs == found


@pytest.mark.parametrize(
    ("over", "rungs", "reduction", "message"),
    [
        ("epoch", None, 3, "did you mean 'epochs'"),
        ("epochs", 4, 3, r"fewer than 1 of 9 epochs; at most 3 fit"),
        ("epochs", None, 10, r"9 epochs leave no room for a first rung of 1 in 10"),
        ("epochs", 1, 3, "rungs is 1; it must be at least 2"),
        ("epochs", None, 1, "reduction is 1; it must be at least 2"),
    ],
)
def test_rungs_that_cannot_be_are_refused(
    over: str, rungs: int | None, reduction: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        resolve_rungs(over, rungs, reduction, full=9, least=1)


def test_a_look_on_the_way_changes_nothing_of_a_training(
    tiny: ArchSpec, digits: ImageData, cpu: Device
) -> None:
    recipe, told = load_recipe("fast", {"epochs": 3, "patience": 0}), dict[int, float]()
    engine = Engine(rungs={n: lambda a, n=n: told.update({n: a}) for n in (1, 3)})  # type: ignore[misc]
    looked = train(tiny, digits, recipe, seed=0, device=cpu, engine=engine)
    plain = train(tiny, digits, recipe, seed=0, device=cpu)
    assert looked.accuracy == plain.accuracy == told[3]
    assert set(told) == {1, 3}
    mine, theirs = weights_of(looked.network), weights_of(plain.network)
    assert all(bool((mine[name] == theirs[name]).all()) for name in theirs)


def test_a_portion_holds_its_share_of_each_class_and_the_other_parts_whole(
    digits: ImageData,
) -> None:
    some, more = portion(digits, 60, seed=0), portion(digits, 120, seed=0)
    assert (len(some.train), len(more.train)) == (60, 120)
    counts = np.bincount(some.labels[some.train], minlength=10)
    assert counts.min() >= 5
    assert len({digits.split_digest, some.split_digest, more.split_digest}) == 3
    for part in ("validation", "test"):
        mine, whole = getattr(some, part), getattr(digits, part)
        assert np.array_equal(some.images[mine], digits.images[whole])
        assert np.array_equal(some.labels[mine], digits.labels[whole])
    assert np.array_equal(np.asarray(some.images), some.images[np.arange(len(some.labels))])
    held = {image.tobytes() for image in digits.images[digits.train]}
    assert {image.tobytes() for image in some.images[some.train]} <= held
    same = portion(digits, 60, seed=0)
    assert same.split_digest == some.split_digest != portion(digits, 60, seed=1).split_digest


def evaluate(session: Session, spec: ArchSpec, stop: int | None = None) -> list[Evaluation]:
    """Evaluates in rungs until `stop` of them are told; returns those, and the end."""
    assert session.config.search is not None
    told = list[Evaluation]()

    def report(evaluation: Evaluation) -> None:
        told.append(evaluation)
        if len(told) == stop:
            raise TrialPruned

    made = staged(session, session.config.search, unit=1.0, name=lambda: "it")
    with suppress(TrialPruned):
        told.append(made.evaluate(spec, seed=1, report=report))
    return told


def logged(session: Session) -> int:
    return len((session.folder.path / "evaluations.jsonl").read_text().splitlines())


@pytest.mark.parametrize("over", ["epochs", "image-size", "data"])
def test_rungs_are_kept_and_never_trained_again(
    over: str, tmp_path: Path, open_session: Opener, tiny: ArchSpec
) -> None:
    asked = replace(SEARCH, halving=HalvingRequest(over, rungs=2, reduction=2), epochs=2)
    session = open_session(tmp_path / "run", asked, limit=400, batch_size=32)
    tiny = replace(tiny, resolution=16)
    first = evaluate(session, tiny, stop=1)
    assert logged(session) == 1
    session.__dict__.pop("log", None)  # as another process finds it
    both = evaluate(session, tiny)
    assert both[0] == first[0]
    assert logged(session) == 2
    assert both[1].epochs == 2
    assert both[1].seconds > 0
    plain = session.evaluate(tiny, seed=1, epochs=2)
    assert both[1].accuracy == plain.accuracy
    assert both[1].macs == plain.macs
    assert logged(session) == 2
    if over == "epochs":
        assert both[0].epochs == 1
    else:
        assert both[1].seconds == pytest.approx(both[0].seconds + plain.seconds)


def test_the_time_of_a_trial_is_that_of_all_its_rungs(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch, tiny: ArchSpec
) -> None:
    limits = list[float]()

    def timed(self: Session, spec: ArchSpec, *, limit: float, **_: Any) -> Evaluation:
        limits.append(limit)
        return Evaluation(0.5, 1, 1, 7.0, 0)

    monkeypatch.setattr(Session, "evaluate", timed)
    asked = replace(SEARCH, halving=HalvingRequest("image-size", 2, 2), trial_seconds=10)
    session = open_session(tmp_path / "run", asked)
    assert evaluate(session, tiny)[-1].seconds == 14
    assert limits == [10, 3]


def test_a_search_writes_what_was_left_where_and_goes_on(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    session = open_session(path, replace(SEARCH, trials=5))
    evaluate, calls = Session.evaluate, list[str]()

    def stopped(self: Session, spec: ArchSpec, **more: Any) -> Evaluation:
        calls.append(spec.name)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return evaluate(self, spec, **more)

    monkeypatch.setattr(Session, "evaluate", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_search(session)
    kept = pd.read_parquet(session.folder.trials_path)
    assert len(kept[kept["error"] != "interrupted"]) == 3
    run_search(session)
    rows = pd.read_parquet(session.folder.trials_path)
    rows = rows[rows["error"] != "interrupted"]
    left, whole = rows[rows["state"] == "pruned"], rows[rows["state"] == "complete"]
    assert len(left) + len(whole) == 5
    assert len(left) >= 1
    assert (left["rung"] == 1).all()
    assert (whole["rung"] == 2).all()
    assert left["accuracy"].isna().all()
    assert left["rung_accuracy"].notna().all()
    assert left["pruned"].str.startswith("reward 0.").all()
    assert (left["seconds"] > 0).all()
    assert np.array_equal(whole["accuracy"], whole["rung_accuracy"])
    assert list(kept["fingerprint"][:3]) == list(rows["fingerprint"][:3])


TINY = (*TINY_SEARCH, "--sampler", "random", "--device", "cpu", "--out", "run")


def test_the_command_leaves_reports_and_goes_on(call: Caller) -> None:
    words = ("search", *TINY, "--search-epochs", 3, "--halving", "epochs", "--random-baseline")
    done = call(*words, "--trials", 4, "--json")
    assert done.status == 0, done.err
    asked = Path("run/run.toml").read_text()
    for line in ('halving = "epochs"', "rungs = 2", "reduction = 3", "ceiling = 1.0"):
        assert line in asked
    rows = pd.read_parquet("run/trials.parquet")
    assert set(rows["state"]) == {"complete", "pruned"}
    assert done.document["compared"]["search"]["seconds"] == pytest.approx(
        rows["seconds"].sum(), abs=0.01
    )
    trainings = Path("run/evaluations.jsonl").read_text()
    again = call("search", "--resume", "run", "--json")
    assert again.document == done.document
    assert Path("run/evaluations.jsonl").read_text() == trainings
    other = call(*words, "--trials", 4, "--rungs", 2, "--reduction", 2)
    assert_refused(other, "was made for reduction 3, not 2")
    assert call("report", "run").status == 0
    page = Path("run/report.html").read_text()
    left = int((rows["state"] == "pruned").sum())
    assert page.count("left at a rung") == 1
    assert f"trained to the end, {left} left on the way ({left} at rung 1; " in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--halving", "epoch"), "did you mean 'epochs'"),
        (("--halving", "data", "--reduction", 1), "reduction is 1; it must be at least 2"),
        (("--halving", "epochs"), "1 epochs leave no room for a first rung of 1 in 3"),
        (("--halving", "data", "--rungs", 9), "64 of 128 training images; at most 2 fit"),
        (("--halving", "image-size", "--rungs", 9, "--reduction", 2), "pixels a side; at most"),
        (("--rungs", 2), "--rungs needs --halving"),
        (("--ceiling", 1.5), "--ceiling is 1.5; an accuracy is above 0 and at most 1"),
    ],
)
def test_what_cannot_be_halved_is_refused_in_one_line(
    call: Caller, words: tuple[object, ...], message: str
) -> None:
    extra = ("--reduction", 2) if message.endswith("at most 2 fit") else ()
    assert_refused(call("search", *TINY, *words, *extra), message)
    assert not Path("run").exists()
