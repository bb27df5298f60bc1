"""Trainings that go wrong in every way: the search goes on, and each says what became of it."""

from pathlib import Path

import pytest

from tests.faults.driver import (
    MOMENTS,
    PATIENCE,
    Driver,
    assert_whole,
    search_words,
    trials_of,
)

pytestmark = pytest.mark.slow

HANGING = 90.0  # seconds that a training may cost that hangs or whose worker is begun again
INJECTED = str(Path(__file__).parent / "injected")


def spoiled(folder: Path, fault: str, *more: object, **environment: str) -> Driver:
    """Returns a driver some of whose trainings go wrong: about one of five."""
    return Driver(
        folder,
        search_words(MOMENTS * 3, *more),
        {"PYTHONPATH": INJECTED, "NAS_FAULT": fault, "NAS_FAULT_SHARE": "0.2", **environment},
    )


@pytest.mark.parametrize(
    ("fault", "more", "said"),
    [
        ("raises", (), "a fault of the trial's own"),
        ("is_nan", (), "nan"),
        ("hangs", ("--trial-time", "20s"), "timed out after"),
        ("hangs_in_c", ("--trial-time", "20s"), "timed out after"),
        ("segfaults", ("--retries", 0), "its worker died"),
    ],
)
def test_a_training_goes_wrong(
    tmp_path: Path, fault: str, more: tuple[object, ...], said: str
) -> None:
    driver = spoiled(tmp_path / "run", fault, *more)
    driver.finish(PATIENCE + MOMENTS * HANGING)
    wrong = [t for t in trials_of(driver.folder) if "error" in t.user_attrs]
    assert len(wrong) > MOMENTS / 2
    assert_whole(driver.folder, MOMENTS * 3, failures=lambda error: said in error.lower())
    driver.assert_nothing_left()


def test_a_training_that_eats_all_memory(tmp_path: Path) -> None:
    """Has a limit on a process's memory stand in for the machine's."""
    driver = spoiled(tmp_path / "run", "eats_memory", "--retries", 0)
    driver.prefix = ("prlimit", f"--data={6 << 30}")
    driver.finish(PATIENCE + MOMENTS * HANGING)
    wrong = [t for t in trials_of(driver.folder) if "error" in t.user_attrs]
    assert len(wrong) > MOMENTS / 2

    def by_memory(error: str) -> bool:
        return "memory" in error.lower() or "its worker died" in error

    assert_whole(driver.folder, MOMENTS * 3, failures=by_memory)
    driver.assert_nothing_left()


def test_a_training_that_kills_its_worker_once_is_done_by_another(tmp_path: Path) -> None:
    (tmp_path / "once").mkdir()
    driver = spoiled(tmp_path / "run", "segfaults", NAS_FAULT_ONCE=str(tmp_path / "once"))
    driver.finish(PATIENCE + MOMENTS * HANGING)
    assert len(list((tmp_path / "once").iterdir())) > MOMENTS / 2
    assert_whole(driver.folder, MOMENTS * 3)
    driver.assert_nothing_left()
