"""What is refused before anything starts, and what a share of a machine comes to."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from experiments.parallel import Placement, place
from experiments.parallel.cluster import WHO, compare, connect, versions
from experiments.parallel.placement import cores
from experiments.parallel.request import HERE, PlacementRequest
from search_spaces.errors import InputError
from tests.conftest import Caller


@pytest.fixture(autouse=True)
def in_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has Ray seem down, which another test's fixture may have left up in this process."""
    monkeypatch.setattr("experiments.parallel.cluster._is_up", lambda: False)
    monkeypatch.setattr("experiments.parallel.cluster._temporary", [])


def test_a_share_is_what_there_is_divided() -> None:
    assert place(2, have_cpus=8).cpus == 4
    assert place(3, have_cpus=8).cpus == 2
    assert place(3, have_cpus=8).threads == 2
    assert place(4, have_cpus=2, cpus=0.5).threads == 1
    assert place(4, have_cpus=8, have_gpus=1, wants_gpu=True).gpus == 0.25
    # Two GPUs and three trainings: one of 0.67 would leave no room beside it.
    assert place(3, have_cpus=8, have_gpus=2, wants_gpu=True).gpus == 0.5
    assert place(2, have_cpus=8, have_gpus=8, wants_gpu=True).gpus == 1
    assert place(2, have_cpus=8, have_gpus=8).gpus == 0


def test_the_shorter_limit_counts() -> None:
    found = Placement(1, None, 1, 0, timeout=60)
    assert (found.limit(None), found.limit(10), found.limit(90)) == (60, 10, 60)
    assert Placement(1, None, 1, 0).limit(None) is None


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"workers": 9}, "9 cores, and this machine has 8: at most --workers 8"),
        ({"workers": 2, "cpus": 5.0}, "2 trainings at once with 5 cores each need 10 cores"),
        ({"workers": 2, "gpus": 1.0}, "this machine has 0: --gpus 0"),
        ({"workers": 3, "gpus": 0.5, "have_gpus": 1}, "at most --workers 2 (or a smaller --gpus)"),
        ({"workers": 1, "address": "auto", "gpus": 1.0}, "the cluster has 0"),
        ({"workers": 0}, "--workers is 0"),
        ({"workers": 2, "cpus": 0.0}, "--cpus is 0"),
        ({"workers": 2, "cpus": float("nan")}, "--cpus is nan"),
        ({"workers": 2, "gpus": -1.0}, "--gpus is -1"),
        ({"workers": 2, "gpus": 2.0, "have_gpus": 8}, "takes one GPU or a part of one"),
        ({"workers": 2, "retries": -1}, "--retries is -1"),
    ],
)
def test_more_than_there_is_is_refused(asked: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as refused:
        place(**{"have_cpus": 8, **asked})  # type: ignore[arg-type]
    assert message in str(refused.value)


def test_one_training_at_a_time_stays_in_this_process() -> None:
    assert HERE.resolve(wants_gpu=False) is None
    assert PlacementRequest(workers=1).resolve(wants_gpu=False) is None
    with pytest.raises(InputError, match="--cpus is for trainings in parallel; give --workers"):
        PlacementRequest(workers=1, cpus=2)
    found = PlacementRequest(workers=2, cpus=cores() / 2, retries=0).resolve(wants_gpu=False)
    assert found == Placement(2, None, cores() / 2, 0, retries=0)


def test_an_address_that_does_not_answer_is_refused_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(InputError) as refused:
            connect(address)
        assert f"--ray {address} does not answer (Connection refused)" in str(refused.value)
        assert "`ray status`" in str(refused.value)
        monkeypatch.setattr("experiments.parallel.cluster.CONNECT_SECONDS", 0.2)
        taken.listen()  # takes the call and says nothing
        with pytest.raises(InputError, match=f"--ray {address} does not answer .timed out"):
            connect(address)


def test_what_answers_and_is_no_head_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.sendall(b"HTTP/1.1 400 Bad Request")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(InputError, match=f"--ray {address} is not the head"):
            connect(address)


@pytest.fixture
def head() -> Iterator[tuple[str, dict[str, grpc.StatusCode]]]:
    """Gives a server that speaks gRPC, and how it answers Ray's question (by default: unknown)."""
    answers: dict[str, grpc.StatusCode] = {}

    class Answering(grpc.GenericRpcHandler):  # type: ignore[misc]  # gRPC has no types
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
            if (code := answers.get(details.method)) is None:
                return None
            return grpc.unary_unary_rpc_method_handler(lambda _, call: call.abort(code, "no"))

    server = grpc.server(ThreadPoolExecutor(1), handlers=[Answering()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", answers
    server.stop(None)


def test_another_server_is_no_head(head: tuple[str, dict[str, grpc.StatusCode]]) -> None:
    address, _ = head
    with pytest.raises(InputError, match=f"--ray {address} is not the head"):
        connect(address)


def test_a_head_that_wants_a_token_says_so(
    head: tuple[str, dict[str, grpc.StatusCode]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, answers = head
    answers[WHO] = grpc.StatusCode.UNAUTHENTICATED
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    with pytest.raises(InputError, match="wants a token: set RAY_AUTH_MODE=token"):
        connect(address)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ray://127.0.0.1:10001", "with --ray auto"),
        ("head", "write auto, or HOST:PORT"),
        ("head:port", "write auto, or HOST:PORT"),
        ("no.such.host.invalid:6379", "does not answer"),
    ],
)
def test_what_is_no_address_is_refused(address: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        connect(address)


def test_a_worker_of_another_version_is_refused() -> None:
    ours = versions()
    compare(ours, dict(ours), "node-1")
    for name in ("compound-nas", "torch", "Python"):
        with pytest.raises(InputError) as refused:
            compare(ours, {**ours, name: "0.0"}, "node-1")
        assert f"the worker node-1 has {name} 0.0" in str(refused.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--gpus", 1), "--gpus is for trainings in parallel; give --workers or --ray"),
        (("--workers", 500), "500 trainings at once with 1 core each need 500 cores"),
        (("--ray", "127.0.0.1:1"), "--ray 127.0.0.1:1 does not answer"),
    ],
)
def test_the_command_says_so_in_one_line(
    call: Caller, words: tuple[object, ...], message: str
) -> None:
    outcome = call(
        "search", "--data", "digits", "--limit", 200, "--target-macs", "2M", "--out", "x", *words
    )
    assert outcome.status == 2
    assert message in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1
