import pytest

from experiments.ranked.driver import Listener
from experiments.ranked.plan import Ranks, cores_each
from experiments.ranked.task import Post
from experiments.train import EpochRecord
from experiments.training_progress import TrainingProgress
from search_spaces.errors import InputError
from tests.conftest import Caller
from tests.experiments.test_training_progress import Listener as Told

LAPTOP = [(8.0, 0.0)]
SERVER = [(64.0, 8.0)]


@pytest.fixture(autouse=True)
def _no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.mark.parametrize(
    ("count", "nodes", "device", "cores"),
    [
        (2, LAPTOP, "auto", 4),
        (3, LAPTOP, "auto", 2),
        (8, LAPTOP, "cpu", 1),
        (8, SERVER, "auto", 8),
        (2, SERVER, "cuda", 32),
        (12, SERVER, "cpu", 5),
        (16, [*SERVER, *SERVER], "auto", 8),
        (4, [(0.0, 0.0), (8.0, 2.0), (8.0, 2.0)], "auto", 4),  # a head that only coordinates
        (3, [(8.0, 0.0), (2.0, 0.0)], "auto", 2),
    ],
)
def test_ranks_share_the_cores_out(
    count: int, nodes: list[tuple[float, float]], device: str, cores: int
) -> None:
    assert cores_each(Ranks(count, device=device), nodes) == cores


def test_ranks_compute_with_no_more_threads_than_the_user_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert cores_each(Ranks(2), SERVER) == 3
    assert cores_each(Ranks(2), [(2.0, 0.0)]) == 1


@pytest.mark.parametrize(
    ("ranks", "nodes", "said"),
    [
        (Ranks(9), LAPTOP, "9 ranks need a core each, and this machine has 8: use --ranks 8"),
        (Ranks(2), [(1.0, 0.0)], "this machine has 1: train without --ranks"),
        (
            Ranks(9, "auto"),
            SERVER,
            "9 ranks need a GPU each, and the cluster has 8: use --ranks 8, or --device cpu",
        ),
        (Ranks(2, device="cuda"), LAPTOP, "2 ranks need a GPU each, and this machine has 0"),
        (Ranks(2), [(1.0, 2.0), (1.0, 0.0)], "has no machine with a GPU and a core for each"),
    ],
)
def test_more_ranks_than_there_is_room_for_are_refused(
    ranks: Ranks, nodes: list[tuple[float, float]], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        cores_each(ranks, nodes)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--ranks", 0), "--ranks is 0; it must be at least 1"),
        (("--ranks", 2, "--device", "cuda:1"), "use --device cuda"),
        (("--ranks", 2, "--workers", 2), "leave --workers out"),
        (("--ranks", 2, "--gpus", 0.5), "leave --gpus out"),
        (("--ranks", 2, "--family"), "leave --family out"),
        (
            ("--ranks", 3, "--limit", 400, "--device", "cpu"),
            "batch_size is 64, which 3 ranks cannot share evenly; --set batch_size=63, or other",
        ),
    ],
)
def test_what_ranks_cannot_do_is_said_in_one_line(
    call: Caller, words: tuple[object, ...], said: str
) -> None:
    done = call("train", "mobilenetv2", "--data", "digits", "--json", *words)
    assert (done.status, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1


def record(epoch: int) -> EpochRecord:
    return EpochRecord(epoch, 0.1, 1.0, None, 1.0)


def test_epochs_are_told_of_once_though_ranks_begin_again() -> None:
    told = Told()
    progress = TrainingProgress(
        told, "net", work=4.0, shares=(0.25,) * 4, memory=lambda: 0, by_epoch=True
    )
    begun: list[int] = []
    epochs: list[int] = []
    notes: list[str] = []
    listener = Listener(
        progress,
        on_note=notes.append,
        on_start=lambda history: begun.append(len(history)),
        on_epoch=lambda record: epochs.append(record.epoch),
    )
    listener.hear(("started", [record(1)]))
    listener.hear(("epoch", record(2)))
    # A rank is lost after the third epoch was kept, before it was told of.
    listener.hear(("started", [record(1), record(2), record(3)]))
    listener.hear(("epoch", record(4)))
    assert (begun, epochs) == ([1], [2, 3, 4])
    assert notes == ["a rank was lost; the training goes on after epoch 3"]


def test_the_post_keeps_messages_until_they_are_taken_and_the_first_failure() -> None:
    post = Post()
    post.put("note", "one")
    post.put("note", "two")
    assert (post.take(), post.take()) == ([("note", "one"), ("note", "two")], [])
    assert post.failure() is None
    post.fail("RunError", "the loss is nan")
    post.fail("RunError", "the others were left alone")
    assert post.failure() == ("RunError", "the loss is nan")
