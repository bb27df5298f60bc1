"""A user's space in a run: kept with it, needed no more, and not to be changed under it."""

from dataclasses import replace
from pathlib import Path

import pytest

from experiments.aims import Aim
from experiments.prepare import DataRequest, reopen, start
from experiments.progress import Reporter
from experiments.report.contents import read_contents
from experiments.search_request import SearchRequest
from experiments.search_results import search_document
from experiments.search_step import run_search
from experiments.space_files import read_space, space_of
from experiments.store import RunFolder
from nas.search import records
from search_spaces.errors import InputError
from search_spaces.space import SearchSpace
from tests.conftest import Caller
from tests.experiments.conftest import Opener

TEXT = """
name = "own"
[skeleton]
resolution = 8
stem_ch = 8
stem_stride = 1
head_ch = 32
stages = ["ir_r1_k3_s1_e2_c8", "ir_r1_k3_s2_e2_c16_se0.25"]
[options]
kernel = [3, 5, 7]
[[stage]]
number = 2
kind = ["mbconv", "fused"]
"""
DATA = DataRequest("digits", limit=200, device="cpu")


@pytest.fixture
def asked(tmp_path: Path) -> SearchRequest:
    (tmp_path / "own.toml").write_text(TEXT)
    space = str(tmp_path / "own.toml")
    return SearchRequest(Aim(1e5), space=space, trials=2, epochs=1, confirm=0)


def opened(folder: RunFolder, asked: SearchRequest) -> SearchSpace:
    with start(DATA, folder, Reporter(), asked) as session:
        assert session.config.search is not None
        return space_of(session.config.search, num_classes=10)


def test_a_search_of_ones_own_space(
    tmp_path: Path, open_session: Opener, asked: SearchRequest
) -> None:
    session = open_session(tmp_path / "run", asked)
    session.reporter.plan(10)
    base = run_search(session)
    assert base.name.startswith("own_")
    Path(asked.space).unlink()
    assert session.config.search is not None
    space = space_of(session.config.search, num_classes=10)
    trials = records(session.folder.study(), space)
    assert len([trial for trial in trials if trial.evaluation]) >= 2
    assert {trial.spec.stages[0].kernel for trial in trials} <= {3, 5, 7}
    assert search_document(session.folder)["best"]["resolution"] == 8
    assert all(trial.blocks for trial in read_contents(session.folder).trials)


def test_a_run_keeps_its_space_when_the_file_is_gone(tmp_path: Path, asked: SearchRequest) -> None:
    folder = RunFolder(tmp_path / "run")
    first = opened(folder, asked)
    Path(asked.space).unlink()
    with reopen(folder, Reporter(), device="cpu") as session:
        assert session.config.search is not None
        assert space_of(session.config.search, num_classes=10) == first
    assert opened(folder, asked) == first
    assert opened(folder, replace(asked, space="own")) == first
    with pytest.raises(InputError, match=r"other\.toml: there is no such file"):
        opened(folder, replace(asked, space="other.toml"))


def test_a_file_that_was_moved_or_only_laid_out_anew_goes_on(
    tmp_path: Path, asked: SearchRequest
) -> None:
    folder = RunFolder(tmp_path / "run")
    first = opened(folder, asked)
    (tmp_path / "moved.toml").write_text(TEXT.replace("[3, 5, 7]", "[3,5,  7] # odd"))
    assert opened(folder, replace(asked, space=str(tmp_path / "moved.toml"))) == first


def test_a_file_that_says_something_else_is_refused(tmp_path: Path, asked: SearchRequest) -> None:
    folder = RunFolder(tmp_path / "run")
    opened(folder, asked)
    before = folder.config_path.read_text()
    Path(asked.space).write_text(TEXT.replace("[3, 5, 7]", "[3, 5]"))
    with pytest.raises(InputError, match=r"was made for space own \(\w{12}\), not own \(\w{12}\)"):
        opened(folder, asked)
    with pytest.raises(InputError, match=r"was made for space own \(\w{12}\), not mixed"):
        opened(folder, replace(asked, space="mixed", aim=Aim(2e6)))
    assert folder.config_path.read_text() == before


def test_a_definition_that_was_broken_in_the_run_is_told(
    tmp_path: Path, asked: SearchRequest
) -> None:
    folder = RunFolder(tmp_path / "run")
    opened(folder, asked)
    text = folder.config_path.read_text()
    folder.config_path.write_text(text.replace("stem_ch = 8", "stem_ch = 0"))
    with reopen(folder, Reporter(), device="cpu") as session:
        assert session.config.search is not None
        with pytest.raises(InputError, match=r"run\.toml: space own: .*stem_ch is 0"):
            space_of(session.config.search, num_classes=10)


def test_what_is_no_space_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"did you mean 'mixed'\?"):
        read_space("mixd")
    with pytest.raises(InputError, match=r"gone\.toml: there is no such file"):
        read_space("gone.toml")
    path = tmp_path / "own.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"own\.toml: not TOML"):
        read_space(str(path))
    path.write_text(TEXT.replace('"own"', '"mixed"'))
    with pytest.raises(InputError, match="name is 'mixed', a known space; choose another name"):
        read_space(str(path))


def test_one_space_is_listed(call: Caller, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(TEXT)
    (row,) = call("list", "--space", "own.toml", "--json").document["spaces"]
    assert (row["name"], row["resolution"]) == ("own", 8)
    assert (row["size"], row["networks"], row["choices"]) == (18, 18, 3)
    assert "own.toml; kernel, kind" in call("list", "--space", "own.toml").out
    rows = call("list", "--space", "mbconv", "--json").document["spaces"]
    assert [row["skeleton"] for row in rows] == ["tiny", "small", "large"]
    assert rows[2]["networks"] < rows[2]["size"]
    assert f"{rows[2]['networks']:,}" in call("list", "--space", "mbconv").out
    refused = call("list", "--space", "own.tml")
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.startswith("nas: no space is called 'own.tml'")
