import subprocess
import sys
from pathlib import Path

import pytest

from experiments.files import (
    append_line,
    check_room,
    read_lines,
    remove_temporaries,
    write_atomic,
    write_atomic_with,
)
from search_spaces.errors import InputError
from tests.conftest import ROOT


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_there_with_nothing_beside_it(tmp_path: Path) -> None:
    write_atomic(tmp_path / "deep" / "a.txt", "φ\n")
    write_atomic(tmp_path / "deep" / "b.bin", b"\x00\xff")
    assert (tmp_path / "deep" / "a.txt").read_text(encoding="utf-8") == "φ\n"
    assert (tmp_path / "deep" / "b.bin").read_bytes() == b"\x00\xff"
    assert names(tmp_path / "deep") == ["a.txt", "b.bin"]


def test_a_writer_that_fails_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomic(path, "old")

    def fails(temporary: Path) -> None:
        temporary.write_text("half of the ne")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_atomic_with(path, fails)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_the_old_content_stays_until_the_new_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomic(path, "old")

    def looks(temporary: Path) -> None:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.suffix == path.suffix  # some writers go by it
        assert temporary.parent == path.parent  # so that the rename stays within one disk

    write_atomic_with(path, looks)
    assert path.read_text() == "new"


def test_what_a_killed_writer_left_is_swept_away(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    write_atomic(path, "old")
    (tmp_path / "deep" / ".a.resume").write_text("kept")

    def killed(temporary: Path) -> None:
        copy = temporary.with_name(temporary.name + "x")
        copy.write_text("half")

    write_atomic_with(path, killed)
    assert len(names(path.parent)) == 3
    remove_temporaries(tmp_path)
    assert names(path.parent) == [".a.resume", "a.txt"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "below" / "a.txt"
    with pytest.raises(InputError, match=r"cannot write .*file/below/a"):
        write_atomic(path, "x")
    with pytest.raises(InputError, match=r"cannot write .*file/below/a"):
        append_line(path, {})


def test_lines_come_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    assert list(read_lines(path)) == []
    for number in range(3):
        append_line(path, {"n": number, "text": "a\nφ\u2028"})
    assert [line["n"] for line in read_lines(path)] == [0, 1, 2]
    assert {line["text"] for line in read_lines(path)} == {"a\nφ\u2028"}


@pytest.mark.parametrize("cut", range(1, 22))
def test_a_torn_last_line_loses_only_itself(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "log.jsonl"
    append_line(path, {"n": 0})
    whole = path.read_bytes()
    append_line(path, {"n": 1, "key": "abcd"})
    line = path.read_bytes()[len(whole) :]
    path.write_bytes(whole + line[: min(cut, len(line) - 2)])
    assert [entry["n"] for entry in read_lines(path)] == [0]
    append_line(path, {"n": 2})
    assert [entry["n"] for entry in read_lines(path)] == [0, 2]


def test_a_last_line_that_only_lacks_its_end_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    append_line(path, {"n": 0})
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    append_line(path, {"n": 1})
    assert [entry["n"] for entry in read_lines(path)] == [0, 1]


def test_a_full_disk_is_told_from_a_bad_path(tmp_path: Path) -> None:
    """Writes more than this process may, which the system answers as it does a full disk."""
    program = f"""
import resource, signal, sys
from pathlib import Path
import torch
from experiments.checkpoint import TrainingInfo, save_network
from experiments.training.state import save_state
from search_spaces.catalog import catalog_spec
from search_spaces.errors import RunError
from search_spaces.network import build
folder = Path({str(tmp_path)!r})
spec = catalog_spec("mobilenetv2@0.5")
info = TrainingInfo(spec, (), (0, 0, 0), (1, 1, 1), {{}}, {{}}, 0)
(folder / "net.safetensors").write_text("finished before")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for write in (
    lambda: save_state(folder / "state", {{"weights": torch.zeros(1_000_000)}}),
    lambda: save_network(folder / "net.safetensors", build(spec), info),
):
    try:
        write()
    except RunError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT
    )
    state, network = done.stdout.splitlines()
    assert state.startswith(f"cannot write {tmp_path / 'state'}: File too large; what had finished")
    assert network.startswith(f"cannot write {tmp_path / 'net.safetensors'}: File too large; what")
    assert [path.name for path in tmp_path.iterdir()] == ["net.safetensors"]
    assert (tmp_path / "net.safetensors").read_text() == "finished before"


def test_room_is_asked_for_before_it_is_needed(tmp_path: Path) -> None:
    check_room(tmp_path / "not" / "there" / "yet", 1, what="a training")
    with pytest.raises(InputError, match=r"MiB are free and a training may take .* MiB; free some"):
        check_room(tmp_path, 2**60, what="a training")
