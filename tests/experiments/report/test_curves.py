"""Training curves: the table's values reach figures, hovers and the page, whatever their number."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from experiments.report import curve_figures as figures
from experiments.report.contents import Contents, read_contents
from experiments.report.curve_lines import MOST_SHOWN, Line, lines_of
from experiments.report.curve_section import curves_section
from experiments.report.curves import network_of
from experiments.report.page import page
from experiments.report.plots import Plots
from experiments.store import RunFolder
from experiments.training.state import EpochRecord
from search_spaces.errors import InputError
from tests.experiments.report.fake_run import (
    EVIL,
    OLD_HISTORY,
    base_spec,
    epochs_of,
    fake_run,
    final_row,
)
from tests.experiments.report.pages import Page

Points = list[tuple[int, float]]


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    return read_contents(fake_run(tmp_path_factory.mktemp("curves"), "results"))


def rows_of(folder: RunFolder) -> list[dict[str, Any]]:
    rows = pd.read_parquet(folder.metrics_path).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def points(trace: Any) -> Points:
    return list(zip(trace.x, trace.y, strict=True))


def expected(stem: str, epochs: tuple[EpochRecord, ...]) -> list[dict[str, Any]]:
    """Returns rows of metrics.parquet."""
    names = EpochRecord.__dataclass_fields__
    return [
        {"network": stem, "seed": 3, **{name: getattr(record, name) for name in names}}
        for record in epochs
    ]


def with_rows(
    path: Path, trainings: dict[str, tuple[EpochRecord, ...]], roles: dict[str, str] | None = None
) -> Contents:
    """Reads a folder whose table has these trainings, and whose final table these networks."""
    folder = fake_run(path)
    rows = [row for stem, epochs in trainings.items() for row in expected(stem, epochs)]
    folder.write_table(folder.metrics_path, rows)
    results = [final_row(base_spec(name), role, 0.9, None) for name, role in (roles or {}).items()]
    folder.write_json(folder.path / "results.json", results)
    return read_contents(folder)


def page_of(contents: Contents) -> Page:
    return Page(curves_section(contents, Plots()))


@pytest.mark.parametrize(
    ("draw", "column"), [(figures.accuracy_curves, "accuracy"), (figures.loss_curves, "loss")]
)
def test_every_epoch_of_the_table_is_drawn(contents: Contents, draw: Any, column: str) -> None:
    wanted: dict[str, Points] = {}
    for curve in contents.curves:
        values = [(record.epoch, getattr(record, column)) for record in curve.epochs]
        wanted[curve.stem] = [(epoch, value) for epoch, value in values if value is not None]
    traces = [trace for trace in draw(lines_of(contents)).data if trace.mode == "lines"]
    assert sorted(map(points, traces)) == sorted(wanted.values())
    names = [trace.name for trace in traces]
    assert sorted(names) == sorted(network_of(stem) for stem in wanted)


def test_curves_are_the_rows_of_the_table(tmp_path: Path) -> None:
    folder = fake_run(tmp_path, "results")
    rows = rows_of(folder)
    assert len(rows) == 12
    curves = {curve.stem: curve for curve in read_contents(folder).curves}
    for row in rows:
        record = curves[row["network"]].epochs[int(row["epoch"]) - 1]
        for name in ("epoch", "lr", "loss", "seconds", "images_per_second", "memory"):
            assert getattr(record, name) == row[name]
        assert record.resolution == row["resolution"]
        assert record.accuracy == (None if pd.isna(row["accuracy"]) else row["accuracy"])


def test_trainings_older_than_the_table_come_from_their_checkpoints(contents: Contents) -> None:
    base, second = next(line for line in lines_of(contents) if line.role == "base").curves
    assert second.stem == f"{base.stem}.seed1"
    assert [[r.epoch, r.lr, r.loss, r.accuracy, r.seconds] for r in second.epochs] == OLD_HISTORY
    assert (second.images_per_second, second.memory) == (None, None)
    assert base.epochs == epochs_of(0.5, side=8)


def test_marks_stand_at_the_epochs_whose_weights_were_kept(contents: Contents) -> None:
    marks = {t.name: t for t in figures.accuracy_curves(lines_of(contents)).data if t.marker.symbol}
    first = epochs_of(0.5)[2].accuracy
    assert points(marks["tiny_phi0"]) == [(3, first), (3, 0.75)]
    assert points(marks["rivaltiny"]) == [(3, epochs_of(0.7)[2].accuracy)]
    assert marks["tiny_phi0"].marker.symbol == "star"


def test_the_first_of_equal_epochs_is_the_best(tmp_path: Path) -> None:
    first, *others = epochs_of(0.5)
    epochs = (first, *(replace(record, accuracy=first.accuracy) for record in others))
    (curve,) = with_rows(tmp_path, {"a": epochs}).curves
    assert curve.best == first


def test_hovers_say_what_the_epoch_took(contents: Contents) -> None:
    trace = next(t for t in figures.loss_curves(lines_of(contents)).data if t.name == "rivaltiny")
    assert trace.customdata[2][0] == "73.00%"
    assert trace.customdata[1][0] == "–"
    assert list(trace.customdata[2])[1:] == [
        "0.3", "0.0333", "8×8 pixels, batches of 64", "300 images/s, 3 MiB, 1.5 s"
    ]  # fmt: skip
    assert "%{customdata[4]}" in trace.hovertemplate


def test_networks_with_the_same_learning_rates_share_a_line(tmp_path: Path) -> None:
    short = epochs_of(0.5, 3)
    other = tuple(replace(record, lr=record.lr * 2) for record in epochs_of(0.5, 4))
    found = with_rows(tmp_path, {"a": short, "a.seed1": short, "b": epochs_of(0.6, 5), "c": other})
    shared, alone = figures.rate_curves(lines_of(found)).data
    assert points(shared) == [(n, 0.1 / n) for n in range(1, 6)]
    assert (shared.name, list(shared.meta)) == ("a and 1 more", ["n0", "n1"])
    assert points(alone) == [(n, 0.2 / n) for n in range(1, 5)]
    assert list(alone.meta) == ["n2"]


def test_sides_are_drawn_where_the_images_grow(tmp_path: Path, contents: Contents) -> None:
    assert "Side of the training images" not in page_of(contents).words
    grown = tuple(replace(r, resolution=8 + 2 * r.epoch, batch_size=9) for r in epochs_of(0.5))
    found = with_rows(tmp_path, {"a": grown})
    assert "Side of the training images" in page_of(found).words
    (trace,) = figures.side_curves(lines_of(found)).data
    assert points(trace) == [(1, 10), (2, 12), (3, 14), (4, 16)]
    assert list(trace.customdata) == [9] * 4


def test_the_table_sums_a_training_up(contents: Contents) -> None:
    words = re.sub(r"\s+", " ", curves_section(contents, Plots()))
    row = re.search(r"<tr><th[^>]*>rivaltiny</th>(.*?)</tr>", words)
    assert row is not None
    cells = re.findall(r"<td[^>]*>(.*?)</td>", row[1])
    assert cells == ["11", "4", "3", "73.00%", "6.0s", "250", "4 MiB"]


def many(count: int) -> dict[str, str]:
    members = {f"m{n}": f"φ = {n}" for n in range(1, count - 2)}
    return {"m0": "base", **members, "one": "baseline", "two": "baseline"}


def lines_of_many(path: Path, count: int) -> tuple[Line, ...]:
    roles = many(count)
    trainings = {name: epochs_of(0.5) for name in ("former", *reversed(roles))}
    return lines_of(with_rows(path, trainings, roles))


def test_of_many_networks_a_readable_number_is_shown(tmp_path: Path) -> None:
    lines = lines_of_many(tmp_path, 13)
    assert [line.name for line in lines] == [*many(13), "former"]
    shown = [line for line in lines if line.shown]
    assert len(shown) == MOST_SHOWN
    assert {"m0", "m1", "one", "two"} <= {line.name for line in shown}
    assert len({line.color for line in shown}) == len({line.symbol for line in shown}) == MOST_SHOWN
    assert len({(line.color, line.dash) for line in lines}) == 14
    for trace in figures.accuracy_curves(lines).data:
        assert trace.visible == (trace.name in {line.name for line in shown})


def test_what_a_former_base_left_is_not_shown_and_said_to_be_so(tmp_path: Path) -> None:
    former = lines_of_many(tmp_path, 4)[-1]
    assert (former.name, former.role, former.shown) == ("former", "not in the final table", False)


def test_without_a_final_table_everything_is_shown(tmp_path: Path) -> None:
    lines = lines_of(with_rows(tmp_path, {"a": epochs_of(0.5), "b": epochs_of(0.6)}))
    assert [(line.role, line.shown) for line in lines] == [("", True), ("", True)]


def test_checkboxes_have_labels_and_their_networks_lines(contents: Contents) -> None:
    text = curves_section(contents, Plots())
    found = Page(text)
    boxes = [a for tag, a in found.tags if tag == "input"]
    assert [box["value"] for box in boxes] == ["n0", "n1", "n2"]
    assert all("checked" in box and box["type"] == "checkbox" for box in boxes)
    assert [tag for tag, _ in found.tags].count("label") == 3
    assert {a.get("aria-hidden") for tag, a in found.tags if tag == "svg"} == {"true"}
    keys = {key for keys in re.findall(r'"meta":\s*(\[.*?\])', text) for key in json.loads(keys)}
    assert keys == {"n0", "n1", "n2"}
    assert [a["aria-label"] for tag, a in found.tags if tag == "figure"] == [
        "Validation accuracy by epoch", "Training loss by epoch", "Learning rate by epoch"
    ]  # fmt: skip


def test_one_network_needs_no_checkboxes(tmp_path: Path) -> None:
    found = page_of(with_rows(tmp_path, {"a": epochs_of(0.5), "a.seed1": epochs_of(0.4)}))
    assert "input" not in {tag for tag, _ in found.tags}
    assert "Networks" not in found.words
    assert "2 trainings" in found.words


def test_names_in_the_table_cannot_run(tmp_path: Path) -> None:
    found = page_of(with_rows(tmp_path, {EVIL: epochs_of(0.5), "b": epochs_of(0.5)}))
    assert "img" not in {tag for tag, _ in found.tags}
    assert "<img" not in found.scripts
    assert found.words.count(EVIL) == 2  # its checkbox and its row


def test_one_validation_is_drawn_within_what_shares_can_be(tmp_path: Path) -> None:
    epochs = tuple(replace(r, accuracy=0.97 if r.epoch == 4 else None) for r in epochs_of(0.5))
    found = with_rows(tmp_path, {"a": epochs})
    figure = figures.accuracy_curves(lines_of(found))
    low, high = figure.layout.yaxis.range
    assert 0 <= low < 0.97 < high < 1.05
    assert [points(trace) for trace in figure.data] == [[(4, 0.97)]] * 2
    assert figure.layout.xaxis.range[0] < 1
    assert "Validated after the last epoch only" in page_of(found).words


def test_long_trainings_are_thinned_but_keep_their_best_and_last(tmp_path: Path) -> None:
    long = epochs_of(0.1, 6_000)
    best = replace(long[3_344], accuracy=0.99)
    long = (*long[:3_344], best, *long[3_345:])
    names = ("a", "b", "c", "d")
    found = with_rows(tmp_path, dict.fromkeys(names, long))
    lines = lines_of(found)
    assert figures.is_thinned(lines)
    assert "only some are drawn" in page_of(found).words
    for figure in (figures.accuracy_curves(lines), figures.loss_curves(lines)):
        drawn = [trace for trace in figure.data if trace.mode == "lines"]
        assert sum(len(trace.x) for trace in drawn) <= figures.MOST_POINTS + 2 * len(names)
        assert all({1, 3_345, 6_000} <= set(trace.x) for trace in drawn)
    assert len(page(found).encode()) < 8 * 2**20


def test_a_table_of_something_else_is_named(tmp_path: Path) -> None:
    folder = fake_run(tmp_path)
    folder.write_table(folder.metrics_path, [{"network": "a", "step": 1}])
    with pytest.raises(InputError, match=r"metrics\.parquet: not a table of epochs"):
        read_contents(folder)
