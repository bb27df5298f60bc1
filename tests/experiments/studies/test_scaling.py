"""The scaling studies: differences, what is said of them, and the bench from the command line."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.bench.scaling import marks_of
from experiments.studies.scaling import Measured, gain, paired, scaling_rows, verdicts
from experiments.studies.scaling_figure import scaling_figure
from nas.evaluation import Evaluation
from scaling.compound import PAPER
from scaling.studies import Point, Rules, study_points
from search_spaces.codec import spec_to_json
from search_spaces.spec import ArchSpec
from tests.conftest import Caller
from tests.test_cli_errors import assert_refused

RULES = Rules(PAPER)
HERE = ("bench", "scaling", "--data", "digits", "--limit", 200, "--device", "cpu")
SMALL = ("--base", "mobilenetv1@0.25", "--resolution", 8, "--max-stride", 8)


def measured(study: str, point: Point, *scores: float) -> Measured:
    """Makes up trainings, one a seed: their test accuracies, and the same on validation."""
    found = {
        seed: Evaluation(score, point.macs, point.params, 2.0, seed, 1, score)
        for seed, score in enumerate(scores)
    }
    return Measured(study, point, found)


@pytest.fixture
def points(tiny: ArchSpec) -> tuple[Point, ...]:
    return study_points("compound", replace(tiny, resolution=16), (4,), RULES)


def compound(points: tuple[Point, ...], scores: Mapping[str, tuple[float, ...]]) -> list[Measured]:
    return [measured("compound", point, *scores[point.series]) for point in points]


def test_differences_are_paired_over_the_seeds_that_both_have() -> None:
    found = paired({0: 0.5, 1: 0.7, 2: 0.9, 3: 0.1}, {0: 0.4, 1: 0.5, 2: 0.6})
    assert found.n == 3
    assert found.mean == pytest.approx(0.2)
    assert found.error == pytest.approx(0.1 / 3**0.5)
    assert found.low == pytest.approx(
        0.2 - 4.303 * 0.1 / 3**0.5, abs=1e-4
    )  # Student's t, 2 degrees
    assert not found.is_sure
    assert gain(found) == "+20.0 ± 5.8"
    one = paired({0: 0.5}, {0: 0.6})
    assert (one.n, one.error, one.is_sure, gain(one)) == (1, None, False, "-10.0")
    assert paired({0: 0.5, 1: 0.6, 2: 0.7}, {0: 0.3, 1: 0.39, 2: 0.51}).is_sure


def test_compound_is_held_against_the_best_single_dimension(points: tuple[Point, ...]) -> None:
    scores = {
        "base": (0.5, 0.5), "depth": (0.6, 0.62), "width": (0.7, 0.72), "resolution": (0.6, 0.6),
        "compound": (0.75, 0.76),
    }  # fmt: skip
    (said,) = verdicts(compound(points, scores))
    assert said.startswith("tiny: at 4× the MACs compound is ahead of the best single")
    assert "(width) by 4.5 ± 0.5 points" in said
    assert "paired over 2 seeds" in said
    assert "cannot be told apart" in said
    alone = {name: values[:1] for name, values in scores.items()}
    assert "one seed: nothing is known of its error" in verdicts(compound(points, alone))[0]
    assert verdicts(compound(points, {**scores, "base": ()})) == []
    uneven = verdicts(compound(points, {**scores, "depth": (0.6,)}))[0]
    assert "one seed" in uneven


def test_what_failed_has_no_accuracy_and_says_why(points: tuple[Point, ...]) -> None:
    scores = {point.series: (0.5, 0.6) for point in points} | {"width": ()}
    group = [
        replace(each, failed={0: "nan", 1: "nan"}) if each.point.series == "width" else each
        for each in compound(points, scores)
    ]
    rows = {row.pop("scaled by"): row for row in scaling_rows(group)}
    assert (rows["width"]["accuracy %"], rows["width"]["n"]) == (None, 0)
    del rows["width"]
    assert {(r["accuracy %"], r["deviation"], r["n"]) for r in rows.values()} == {(55.0, 7.07, 2)}
    json.dumps(rows, allow_nan=False)
    ahead, failed = verdicts(group)
    assert "compound is ahead of the best single dimension (depth) by 0.0 ± 0.0" in ahead
    assert failed == "tiny: width at 4× could not be trained with seed 0, 1: nan"


@pytest.mark.parametrize(("study", "count"), [("single", 3), ("interaction", 5)])
def test_lines_say_what_they_gain_and_in_their_last_step(
    tiny: ArchSpec, study: str, count: int
) -> None:
    points = study_points(study, replace(tiny, resolution=16), (2, 4), RULES)
    said = verdicts([measured(study, p, p.asked / 10, p.asked / 10 + 0.01) for p in points])
    assert len(said) == count
    if study == "single":
        assert said[0].startswith("tiny: by depth alone, +30.0 ± 0.0 points from 1× to 4×")
        assert "of which +20.0 ± 0.0 from 2× on" in said[0]
        assert "sure at 95%" in said[0]
    else:
        assert "by width under d 2, r 1.3, +20.0" in said[3]
        assert "at 4× the MACs d 2, r 1 is ahead of d 1, r 1 by 0.0" in said[4]


def test_the_figure_has_a_line_for_each_series(points: tuple[Point, ...]) -> None:
    page = scaling_figure(compound(points, {point.series: (0.5, 0.6) for point in points}))
    assert page.count('"error_y"') >= len(points) - 1
    for name in ("depth", "width", "resolution", "compound"):
        assert f'"name":"{name}"' in page


def test_the_command_trains_once_writes_the_page_and_goes_on(call: Caller, tiny: ArchSpec) -> None:
    begin, end = marks_of("compound")
    Path("page.md").write_text(f"before\n{begin}\n{end}\nafter\n")
    Path("tiny.json").write_text(spec_to_json(tiny))
    words = (
        *HERE, "--base", "tiny.json", "--resolution", 16, "--study", "compound",
        "--ratios", 4, "--epochs", 1, "--seeds", 1, "--keep", "kept.jsonl", "--figure", "f.html",
        "--page", "page.md",
    )  # fmt: skip
    done = call(*words, "--json")
    assert done.status == 0, done.err
    rows = done.document["points"]
    assert [row["scaled by"] for row in rows] == [
        "base", "depth", "width", "resolution", "compound",
    ]  # fmt: skip
    assert all(0 <= row["accuracy %"] <= 100 and row["n"] == 1 for row in rows)
    assert len(done.document["verdicts"]) == 1
    kept = Path("kept.jsonl").read_text()
    assert len(kept.splitlines()) == 5
    again = call(*words)
    assert again.status == 0
    assert Path("kept.jsonl").read_text() == kept
    assert done.document["verdicts"][0] in again.out
    assert "compound: tiny" in Path("f.html").read_text()
    page = Path("page.md").read_text()
    assert page.startswith(f"before\n{begin}")
    assert page.endswith(f"{end}\nafter\n")
    assert "| tiny | compound | 4× |" in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--study", "doubel"), "no study is called 'doubel'; they are single, interaction"),
        (("--ratios", "two"), "--ratios 'two'"),
        (("--ratios", "0.5"), "numbers above 1"),
        (("--ratios", "1e8"), "cannot be scaled to 1e+08×"),
        (("--study", "compound", "--ratios", "2"), "by compound; the nearest is 1.54×"),
        (("--constants", "0.9,1.1,1.1"), "none below 1"),
        (("--base", "mobilenetv1@0.25"), "two bases are called mobilenetv1@0.25"),
        (("--base", "nothing"), "nothing"),
        (("--page", "none.md"), "none.md: there is no such page"),
        (("--set", "batch_size=512"), "fewer than one batch of 512"),
    ],
)
def test_a_bad_input_gets_one_line(call: Caller, words: tuple[str, ...], message: str) -> None:
    assert_refused(call(*HERE, *SMALL, *words), message)
