"""The report of a `nas train` folder: results, recipe, and the command that does it again."""

import re
import shlex
from pathlib import Path

import pytest
from safetensors.torch import load_file

from experiments.recipes import Recipe, load_recipe
from experiments.report import report_document
from experiments.report.contents import read_contents
from experiments.report.trained import command_again
from search_spaces.cost import cost
from search_spaces.errors import InputError
from tests.conftest import Caller
from tests.experiments.report.fake_run import add_training, base_spec, epochs_of, fake_run, start
from tests.experiments.report.pages import Page, read

SECTIONS = ["trained", "base", "curves", "recipe", "reproduce"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return read(fake_run(tmp_path_factory.mktemp("trained"), "train"))


def test_it_says_what_was_trained_and_how_well(trained: Page) -> None:
    assert trained.ids("section") == SECTIONS
    counted = cost(base_spec("tiny"))
    for text in ("tiny: report of a training", "79.87%", "81.23%", "1m15s", "random weights"):
        assert text in trained.words
    assert f"tiny ({counted.macs / 1e3:.3g}k MACs, {counted.params / 1e3:.3g}k par" in trained.words
    assert "1,100 training, 20 validation and 30 test images" in trained.words
    assert "ir_r11_k5_s1_e4_c8_se0.25" in trained.words
    assert "MBConv 5×5, ×11" in trained.words


def test_every_recipe_value_is_there_and_what_differs_is_marked(trained: Page) -> None:
    recipe = load_recipe("fast", {"epochs": 5, "lr": 0.07})
    assert "As the shipped recipe fast but for epochs, lr (marked)." in trained.words
    rows = dict(re.findall(r"<th [^>]*>(\w+)</th><td [^>]*>([^<]*)</td>", trained.html))
    assert rows.keys() >= set(Recipe.model_fields)
    for name, value in recipe:
        shown = str(value).lower() if isinstance(value, bool) else value
        assert rows[name] == (f"{value:.6g}" if isinstance(value, float) else str(shown))
    assert [a.get("class") for tag, a in trained.tags if tag == "tr"].count("marked") == 2


def test_its_results_are_rows_of_a_final_table(tmp_path: Path) -> None:
    folder = fake_run(tmp_path, "train")
    document = report_document(folder)
    (row,) = document["results"]
    assert (row["name"], row["role"], row["seeds"]) == ("tiny", "trained", 1)
    assert (row["test_accuracy"], row["validation_accuracies"]) == (0.7987, [0.8123])
    assert (row["macs"], row["params"]) == (
        cost(base_spec("tiny")).macs, cost(base_spec("tiny")).params
    )  # fmt: skip
    assert Path(document["paths"]["report"]).is_file()
    assert Path(document["paths"]["epochs"]) == folder.metrics_path


def test_several_trainings_in_a_folder_are_all_there_the_last_asked_first(tmp_path: Path) -> None:
    folder = fake_run(tmp_path, "train")
    other = base_spec("another")
    add_training(folder, folder.path / "another.safetensors", other, epochs_of(0.3))
    contents = read_contents(folder)
    assert contents.network is not None
    assert contents.network.name == "tiny"
    assert [training.stem for training in contents.trained] == ["another", "tiny"]
    assert "tiny.safetensors" in command_again(contents)
    words = read(folder).words
    assert "2 trainings" in words
    assert "tiny: report of a training" in words


def test_a_training_in_a_runs_folder_is_shown_beside_the_family(tmp_path: Path) -> None:
    folder = fake_run(tmp_path, "search", "results")
    add_training(folder, folder.path / "extra.safetensors", base_spec("extra"), epochs_of(0.3))
    found = read(folder)
    assert found.ids("section")[:2] == ["results", "trained"]
    assert "tiny: report of a run" in found.words
    assert "extra nas train" in found.words
    names = [row["name"] for row in report_document(folder)["results"]]
    assert names == ["tiny_phi0", "tiny_phi1", "rivaltiny", "extra"]


def test_no_command_is_given_for_another_network_than_was_asked(tmp_path: Path) -> None:
    folder = fake_run(tmp_path, "train")
    start(folder, "tiny", searched=False, trained=base_spec("unfinished"))
    assert command_again(read_contents(folder)) == ""
    assert read(folder).ids("section") == SECTIONS


def test_a_training_that_has_not_finished_is_refused_with_what_to_do(tmp_path: Path) -> None:
    folder = fake_run(tmp_path)
    start(folder, "tiny", searched=False, trained=base_spec("tiny"))
    with pytest.raises(InputError, match=r"nothing to report yet; run `nas train --resume .*run`"):
        report_document(folder)


def test_the_command_names_every_value_that_is_not_the_recipes(tmp_path: Path) -> None:
    folder = fake_run(tmp_path, "train")
    words = shlex.split(command_again(read_contents(folder)))
    assert words[:3] == ["nas", "train", str(folder.path / "tiny.safetensors")]
    for pair in (["--recipe", "fast"], ["--set", "epochs=5"], ["--set", "lr=0.07"], ["--seed", "7"],
                 ["--image-size", "8"], ["--data", "tiny</script>"]):  # fmt: skip
        assert pair in [words[i : i + 2] for i in range(len(words))]
    assert words.count("--set") == 2
    assert "--limit" not in words


def test_the_command_trains_the_same_weights_again(call: Caller, tmp_path: Path) -> None:
    tiny = (
        "train", "mobilenetv2@0.25", "--data", "digits", "--limit", 200, "--resolution", 8,
        "--max-stride", 4, "--epochs", 1, "--set", "batch_size=32", "--seed", 3, "--out", "once",
    )  # fmt: skip
    assert call(*tiny).status == 0
    page = call("report", "once", "--json").document["paths"]["report"]
    command = next(
        line for line in re.findall(r"<code>(.*?)</code>", Path(page).read_text(), re.DOTALL)
        if "once-again" in line
    )  # fmt: skip
    program, *words = shlex.split(command)
    assert program == "nas"
    assert call(*words).status == 0
    (before,), (after,) = (
        list(tmp_path.joinpath(name).glob("*.safetensors")) for name in ("once", "once-again")
    )
    ours, theirs = load_file(before), load_file(after)
    assert ours.keys() == theirs.keys()
    assert all(bool((ours[name] == theirs[name]).all()) for name in ours)
