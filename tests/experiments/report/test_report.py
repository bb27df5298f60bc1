"""The report's page: whole, of its own, and safe whatever the names are."""

import math
from itertools import pairwise
from pathlib import Path

import pytest

from experiments.report import figures
from experiments.report.contents import read_contents
from experiments.report.drawing import draw
from experiments.report.page import write_report
from experiments.report.tables import table
from experiments.store import RunFolder
from search_spaces.errors import InputError
from tests.experiments.report.fake_run import EVIL, base_spec, fake_run, grid
from tests.experiments.report.pages import Page, read

ALL = ("search", "grid", "results")
SECTIONS = [
    "results", "accuracy", "search", "scaling", "base", "family", "curves", "recipe", "time",
    "reproduce",
]  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return read(fake_run(tmp_path_factory.mktemp("whole"), *ALL))


def test_whole_run_has_every_section_in_order(whole: Page) -> None:
    assert whole.ids("section") == SECTIONS


def test_page_needs_no_other_file_and_no_network(whole: Page) -> None:
    assert {"link", "iframe", "img", "base"}.isdisjoint(tag for tag, _ in whole.tags)
    addresses = {"src", "href", "srcset", "data", "action"}
    assert all(addresses.isdisjoint(attributes) for _, attributes in whole.tags)


def test_plotly_comes_once_and_every_figure_is_drawn(whole: Page) -> None:
    drawn = [name for name in whole.ids("div") if name]
    assert drawn == [f"figure-{number}" for number in range(1, 9)]
    assert all(f'Plotly.newPlot("{name}"' in "".join(whole.scripts.split("  ")) for name in drawn)
    assert whole.scripts.count("window.PlotlyConfig") == 1


def test_no_figure_offers_to_send_itself_anywhere(whole: Page) -> None:
    assert whole.scripts.count('"modeBarButtons": [["zoom2d"') == 8
    assert '"showSendToCloud": true' not in whole.scripts


def test_numbers_of_the_results_are_there(whole: Page) -> None:
    for text in ("91.23% ± 0.45", "93.45%", "89.01% ± 0.67", "2.22 points above rivaltiny"):
        assert text in whole.words
    assert "2M MACs" in whole.words
    assert "1,100 training, 20 validation and 30 test images" in whole.words


def test_failed_and_repeated_trials_are_counted(whole: Page) -> None:
    assert "6 trials: 4 trained, 1 with the network of an earlier trial" in whole.words
    assert "1 failed" in whole.words
    assert "out of memory tiny" in whole.words


def test_one_seed_in_the_grid_is_said_plainly(whole: Page) -> None:
    assert "one seed only" in whole.words
    assert "differences of less than the seed-to-seed deviation mean nothing" in whole.words


def test_more_seeds_in_the_grid_are_compared_with_their_deviation(tmp_path: Path) -> None:
    folder = fake_run(tmp_path, *ALL)
    grid(folder, "tiny", seeds=3)
    words = read(folder).words
    assert "one seed only" not in words
    assert "0.0104 of score ahead of the second, more than the larger" in words


def test_command_versions_seed_and_time_are_there(whole: Page) -> None:
    for text in ("nas ", "feedbeef", "torch version", "1h02m", "4.2s"):
        assert text in whole.words


def test_tables_and_headings_can_be_read_aloud(whole: Page) -> None:
    heads = [attributes for tag, attributes in whole.tags if tag == "th"]
    assert heads
    assert all(attributes["scope"] in {"col", "row"} for attributes in heads)
    levels = [int(tag[1]) for tag, _ in whole.tags if tag in {"h1", "h2", "h3"}]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    names = [tag for tag, _ in whole.tags]
    assert names.count("main") == 1
    assert names.count("caption") == names.count("table")


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((), ["reproduce"]),
        (("search",), ["accuracy", "search", "base", "reproduce"]),
        (("grid",), ["scaling", "reproduce"]),
        (("search", "results"), [name for name in SECTIONS if name != "scaling"]),
        (("search", "grid"), ["accuracy", "search", "scaling", "base", "reproduce"]),
    ],
)
def test_what_is_missing_is_left_out(
    tmp_path: Path, steps: tuple[str, ...], expected: list[str]
) -> None:
    page = read(fake_run(tmp_path, *steps))
    assert page.ids("section") == expected
    if "results" not in steps and "search" in steps:
        assert "81.00% ± 1.41 over 2 short trainings" in page.words
    if not steps:
        assert page.scripts == ""
        assert "nothing has been chosen yet" in page.words


def test_names_cannot_run_or_break_the_page(tmp_path: Path) -> None:
    folder = fake_run(tmp_path, *ALL, name=EVIL)
    page = read(folder)
    tags = [tag for tag, _ in page.tags]
    assert "img" not in tags
    assert tags.count("script") == 11  # one a figure, plotly.js, its settings, the checkboxes
    assert not any(key.startswith("on") for _, found in page.tags for key in found)
    assert EVIL in page.words
    assert "<img src=x" not in page.scripts
    assert "alert('x')" not in page.scripts.replace("&#x27;", "*")


def test_table_escapes_everything() -> None:
    page = Page(table(EVIL, {EVIL: "left", "b": "right"}, [(EVIL, EVIL)]))
    assert {"script", "img"}.isdisjoint(tag for tag, _ in page.tags)
    assert page.words.count(EVIL) == 4


def test_drawing_has_a_bar_a_block_and_says_it_in_words() -> None:
    drawn = draw(base_spec("tiny"))
    page = Page(drawn)
    assert drawn.count('class="mbconv"') == 8  # of 11: the rest is in the label
    assert "MBConv 5×5, ×11, expand 4, SE 0.25, 8 channels" in page.words
    attributes = dict(page.tags)["svg"]
    assert attributes["role"] == "img"
    assert (attributes["aria-labelledby"] or "").split() == [*page.ids("title"), *page.ids("desc")]


def test_hovers_show_block_strings(tmp_path: Path) -> None:
    contents = read_contents(fake_run(tmp_path, *ALL))
    trials = figures.trials_figure(contents)
    assert all("_k" in text and "_c" in text for text in trials.data[0].hovertext)
    assert "ir_r11_k5_s1_e4_c8_se0.25" in figures.test_figure(contents).data[1].hovertext[0]


@pytest.mark.parametrize("low", [1.0, 1.4e6, 3e9])
@pytest.mark.parametrize("ratio", [1.4, 2.0, 11.0, 4000.0])
def test_cost_axis_has_at_least_three_ticks(low: float, ratio: float) -> None:
    ticks = figures._ticks((low, low * ratio))
    assert len(ticks) >= 3
    assert all(low <= tick <= low * ratio for tick in ticks)
    assert all(math.isfinite(tick) for tick in ticks)


def test_all_trials_failed_leaves_their_errors(tmp_path: Path) -> None:
    folder = fake_run(tmp_path, "search")
    frame = [{"trial": 0, "state": "fail", "error": "no memory", "reward": None, "accuracy": None,
              "macs": None, "duplicate_of": None}]  # fmt: skip
    folder.write_table(folder.trials_path, frame)
    folder.front_path.unlink()
    folder.best_path.unlink()
    page = read(folder)
    assert page.ids("section") == ["search", "reproduce"]
    assert "no memory" in page.words


@pytest.mark.parametrize("name", ["best.json", "scaling/grid.parquet", "metrics.parquet"])
def test_torn_file_is_named(tmp_path: Path, name: str) -> None:
    folder = fake_run(tmp_path, *ALL)
    (folder.path / name).write_text("{")
    with pytest.raises(InputError, match=name.rpartition("/")[2]):
        write_report(folder)
    assert not (folder.path / "report.html").exists()


def test_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run folder"):
        write_report(RunFolder(tmp_path))
