"""`nas search --resume`: a search goes on as its folder says, and as nothing else does."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import TINY_SEARCH, Caller
from tests.test_cli_errors import assert_refused

SEARCH = ("search", *TINY_SEARCH, "--sampler", "random", "--device", "cpu", "--out", "run")


def test_a_search_goes_on_as_its_folder_says(call: Caller) -> None:
    whole = call(*SEARCH[:-1], "whole", "--json")
    assert whole.status == 0, whole.err
    assert call(*SEARCH, "--train-time", "0.001s", "--json").status == 0
    text = Path("run/run.toml").read_text()
    assert len(pd.read_parquet("run/trials.parquet")) == 1
    Path("run/run.toml").write_text(text.replace("train_seconds = 0.001\n", ""))
    done = call("search", "--resume", "run", "--json")
    assert done.status == 0, done.err
    assert done.document["best"]["reward"] == whole.document["best"]["reward"]
    assert len(pd.read_parquet("run/trials.parquet")) == 3
    trainings = Path("run/evaluations.jsonl").read_text()
    again = call("search", "--resume", "run", "--device", "cpu", "--json")
    assert json.dumps(again.document) == json.dumps(done.document)
    assert Path("run/evaluations.jsonl").read_text() == trainings


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--resume", "run", "--trials", 9), "says what is searched for; leave --trials out"),
        (("--resume", "run", "--data", "digits"), "leave --data out"),
        (("--resume", "run", "--evaluator", "imagenet"), "leave --resume out"),
        (("--resume", "nowhere"), "nowhere: not a run folder"),
        (("--data", "digits", "--target-macs", "2M"), "Missing option '--out' (only --resume"),
    ],
)
def test_what_a_folder_says_cannot_be_said_again(
    call: Caller, words: tuple[object, ...], message: str
) -> None:
    assert_refused(call("search", *words), message)
    assert not Path("run").exists()


def test_a_reward_that_a_file_names_is_not_imported(call: Caller) -> None:
    assert call(*SEARCH, "--train-time", "0.001s", "--confirm", 0).status == 0
    path = Path("run/run.toml")
    path.write_text(path.read_text().replace('objective = "soft"', 'objective = "own:reward"'))
    refused = call("search", "--resume", "run")
    assert_refused(refused, "nothing that a file names is imported; give the whole command again")
