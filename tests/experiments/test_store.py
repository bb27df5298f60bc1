import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pandas as pd
import pytest

from experiments.config import RunConfig, SearchConfig, read_config, write_config
from experiments.store import EvaluationLog, RunFolder
from nas.evaluation import Evaluation
from search_spaces.errors import InputError, RunError

EVALUATION = Evaluation(0.5, 1000, 10, 0.1, seed=3, epochs=2)
SEARCH = SearchConfig(space="mixed", resolution=16, target=2e6, exponent=-0.07, trials=3, epochs=1)


def searching(config: RunConfig, **changes: object) -> RunConfig:
    return config.model_copy(update={"search": SEARCH.model_copy(update=changes)})


def test_a_lock_keeps_another_process_out(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from experiments.store import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).lock(): print('in', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"in\n"
        with (
            pytest.raises(RunError, match="another process is working in this run folder"),
            RunFolder(tmp_path / "run").lock(),
        ):
            pytest.fail("the lock was given twice")
        other.kill()
    with RunFolder(tmp_path / "run").lock():  # a killed process keeps nothing
        pass


def test_a_lock_sweeps_up_what_killed_writers_left(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    stale = tmp_path / "scaling" / ".tmp-grid-abc.parquet"
    stale.parent.mkdir()
    stale.write_text("half")
    (tmp_path / ".net.abc.resume").write_text("a training to go on with")
    with folder.lock():
        assert not stale.exists()
        assert (tmp_path / ".net.abc.resume").exists()


def test_a_folder_opens_again_for_the_same_and_keeps_its_search(
    tmp_path: Path, config: RunConfig
) -> None:
    folder = RunFolder(tmp_path / "run")
    assert folder.open(searching(config)) == searching(config)
    assert RunFolder.is_run(tmp_path / "run")
    assert folder.open(config) == searching(config)  # `nas scale --grid` searches nothing
    assert folder.read() == searching(config)


def test_sampler_trials_and_time_may_change(tmp_path: Path, config: RunConfig) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.open(searching(config))
    changed = searching(config, sampler="random", trials=9, seconds=60.0, confirm=0)
    assert folder.open(changed) == changed == folder.read()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c.model_copy(
                update={"data": c.data.model_copy(update={"fingerprint": "f" * 16, "source": "x"})}
            ),
            r"was made for data digits \(.*\), not x \(f{16}\)",
        ),
        (
            lambda c: c.model_copy(
                update={"data": c.data.model_copy(update={"split_digest": "other"})}
            ),
            "was made for a data split .*, not other",
        ),
        (lambda c: c.model_copy(update={"seed": 4}), "was made for seed 0, not 4"),
        (
            lambda c: c.model_copy(update={"recipe": c.recipe.model_copy(update={"lr": 0.5})}),
            r"recipe value lr 0\.3, not 0\.5",
        ),
        (lambda c: searching(c, space="fused"), "space mixed, not fused"),
        (lambda c: searching(c, target=3e6), r"target 2000000\.0, not 3000000\.0"),
        (lambda c: searching(c, epochs=2), "epochs 1, not 2"),
    ],
)
def test_a_folder_made_for_something_else_is_refused(
    tmp_path: Path, config: RunConfig, change: Callable[[RunConfig], RunConfig], message: str
) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.open(searching(config))
    before = folder.config_path.read_bytes()
    with pytest.raises(InputError, match=message) as refused:
        folder.open(change(searching(config)))
    assert "choose another folder with --out" in str(refused.value)
    assert folder.config_path.read_bytes() == before


def test_a_folder_of_other_files_is_refused(tmp_path: Path, config: RunConfig) -> None:
    (tmp_path / "holiday.jpg").write_text("")
    with pytest.raises(InputError, match="holds other files; choose an empty folder"):
        RunFolder(tmp_path).open(config)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]
    with pytest.raises(InputError, match=r"holiday\.jpg is a file; choose a folder"):
        RunFolder(tmp_path / "holiday.jpg").check(config)


def test_an_empty_folder_will_do(tmp_path: Path, config: RunConfig) -> None:
    (tmp_path / ".lock").write_text("")  # killed before run.toml was there
    RunFolder(tmp_path).open(config)
    assert RunFolder.is_run(tmp_path)


def test_finished_trainings_are_known_again(tmp_path: Path) -> None:
    log = EvaluationLog(tmp_path / "evaluations.jsonl")
    assert (log.get("a"), len(log)) == (None, 0)
    log.add("a", EVALUATION)
    assert log.get("a") == EVALUATION
    again = EvaluationLog(tmp_path / "evaluations.jsonl")
    assert (again.get("a"), again.get("b"), len(again)) == (EVALUATION, None, 1)


def test_a_torn_last_line_of_the_log_loses_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "evaluations.jsonl"
    log = EvaluationLog(path)
    log.add("a", EVALUATION)
    log.add("b", EVALUATION)
    path.write_bytes(path.read_bytes()[:-7])
    torn = EvaluationLog(path)
    assert (torn.get("a"), torn.get("b")) == (EVALUATION, None)
    torn.add("c", EVALUATION)
    after = EvaluationLog(path)
    assert [after.get(key) is not None for key in "abc"] == [True, False, True]


def test_the_study_is_one_optuna_can_open(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    study = folder.study()
    study.tell(study.ask(), 0.5)
    assert len(folder.study().trials) == 1
    (summary,) = optuna.get_all_study_summaries(f"sqlite:///{tmp_path / 'study.db'}")
    assert summary.best_trial is not None
    assert summary.best_trial.value == 0.5
    assert summary.direction == optuna.study.StudyDirection.MAXIMIZE


def test_another_process_sees_what_a_study_was_told_at_once(tmp_path: Path) -> None:
    study = RunFolder(tmp_path).study()
    study.tell(study.ask(), 0.5)
    code = f"""
import optuna
study = optuna.load_study(study_name="search", storage="sqlite:///{tmp_path / "study.db"}")
print([trial.value for trial in study.trials])
"""
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "[0.5]\n"


def test_tables_and_documents_read_back(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_table(folder.grid_path, [{"a": 1, "b": None}, {"a": 2, "b": 0.5}])
    frame = pd.read_parquet(folder.grid_path)
    assert frame["a"].tolist() == [1, 2]
    assert frame["b"].isna().tolist() == [True, False]
    folder.write_json(folder.best_path, {"a": "φ"})
    assert json.loads(folder.best_path.read_text()) == {"a": "φ"}
    folder.write_table(folder.trials_path, [])  # stopped before the first trial
    assert len(pd.read_parquet(folder.trials_path)) == 0


def test_time_adds_up_by_step_also_where_a_step_fails(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.ledger() == {}
    with folder.timed("search"):
        pass
    first = folder.ledger()["search"]
    with pytest.raises(RunError), folder.timed("search"):
        sum(range(3_000_000))
        raise RunError("stopped")
    with folder.timed("grid"):
        pass
    assert set(folder.ledger()) == {"search", "grid"}
    assert folder.ledger()["search"]["cpu"] > first["cpu"]
    assert set(first) == {"wall", "cpu"}


def test_a_configuration_reads_back(tmp_path: Path, config: RunConfig) -> None:
    for asked in (config, searching(config, seconds=60.0)):
        write_config(tmp_path / "run.toml", asked)
        assert read_config(tmp_path / "run.toml") == asked
    text = (tmp_path / "run.toml").read_text()
    assert "[versions]" in text
    assert "torch" in text
    assert "[host]" in text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('format = "compound-nas/run"', 'format = "other"', "not a run of compound-nas"),
        ("version = 1", "version = 2", "version 2 is newer than 1; update compound-nas"),
        ("version = 1", 'version = "x"', "not a run of compound-nas"),
        ("seed = 0\n", 'seed = "none"\n', "run.toml: seed: Input should be a valid integer"),
        ("[recipe]", "[recipe]\nsurprise = 1", "run.toml: recipe.surprise: Extra inputs"),
        ("[data]", "[data", "run.toml: not TOML"),
    ],
)
def test_a_configuration_that_is_wrong_is_refused_by_name(
    tmp_path: Path, config: RunConfig, old: str, new: str, message: str
) -> None:
    path = tmp_path / "run.toml"
    write_config(path, config)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as refused:
        read_config(path)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_without_a_configuration_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not a run folder \(it has no run\.toml\)"):
        RunFolder(tmp_path).read()
    (tmp_path / "run.toml").write_bytes(b"\xff\xfe\x80")
    with pytest.raises(InputError, match="not TOML"):
        RunFolder(tmp_path).read()
