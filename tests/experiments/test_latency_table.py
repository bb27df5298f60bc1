import json
from pathlib import Path

import pytest

from experiments.latency_table import LatencyTable, MadeFor, open_table, read_table, typical
from experiments.table_build import Stopwatch, TableBuilder, random_specs, stopwatch
from search_spaces.codec import fingerprint, stages_from_strings
from search_spaces.errors import InputError
from search_spaces.latency import piece_keys
from search_spaces.space import SearchSpace, StageOptions
from search_spaces.spaces import make_space
from search_spaces.spec import ArchSpec

MADE_FOR = MadeFor(
    space="nas_bench_macro",
    resolution=32,
    num_classes=10,
    work="inference",
    batch=1,
    device="cpu",
    model="some processor",
    threads=1,
    precision="float32",
    torch="2.9.0",
)


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return make_space("nas_bench_macro", image_size=32, num_classes=10)


def fake_seconds(key: str) -> float:
    return 1e-4 * (1 + sum(key.encode()) % 17)


def fake_pieces(spec: ArchSpec) -> list[float]:
    return [fake_seconds(key) for key in piece_keys(spec)]


def fake_whole(spec: ArchSpec) -> float:
    return 1.1 * sum(fake_pieces(spec)) + 2e-4


FAKE = Stopwatch(fake_pieces, fake_whole)


def builder(space: SearchSpace, path: Path, **more: object) -> TableBuilder:
    options = {"visits": 2, "stopwatch": FAKE, **more}
    return TableBuilder(open_table(path, MADE_FOR), path, space, **options)  # type: ignore[arg-type]


def test_a_finished_table_predicts_every_network(space: SearchSpace, tmp_path: Path) -> None:
    path = tmp_path / "blocks.json"
    build = builder(space, path)
    assert build.run() is True
    table = read_table(path)
    assert set(table.pieces) == set(build.chains.keys)
    assert min(map(len, table.pieces.values())) >= 2
    assert len(table.networks) == 10
    assert table.scale == pytest.approx(1.1, rel=1e-3)
    assert table.offset == pytest.approx(2e-4, rel=0.02)
    for spec in random_specs(space, 50, seed=0):
        assert table.blocks().predict(spec) == pytest.approx(fake_whole(spec), rel=1e-3)


def test_a_killed_build_goes_on(
    space: SearchSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.table_build.SAVE_EVERY", 0.0)
    path, measured = tmp_path / "blocks.json", list[ArchSpec]()

    def killed(spec: ArchSpec) -> list[float]:
        if len(measured) == 3:
            raise KeyboardInterrupt
        measured.append(spec)
        return fake_pieces(spec)

    with pytest.raises(KeyboardInterrupt):
        builder(space, path, stopwatch=Stopwatch(killed, fake_whole)).run()
    kept = read_table(path)
    assert {key for spec in measured for key in piece_keys(spec)} == set(kept.pieces)
    assert builder(space, path).run() is True
    finished = read_table(path)
    for key, samples in kept.pieces.items():
        assert finished.pieces[key][: len(samples)] == samples
    again = builder(space, path, stopwatch=Stopwatch(lambda _: [], lambda _: 0.0))
    assert again.run() is True  # and measures nothing
    assert read_table(path) == finished


def test_a_build_stops_when_its_time_is_over(space: SearchSpace, tmp_path: Path) -> None:
    path = tmp_path / "blocks.json"
    short = builder(space, path, seconds=1e-9)
    assert short.run() is False
    assert short.chains.unmet() == len(short.chains.keys)  # the first turn is a whole network's
    table = read_table(path)
    assert (table.pieces, len(table.networks)) == ({}, 1)
    assert (table.scale, table.offset) == (1.0, 0.0)
    (key,) = table.networks
    assert key in {fingerprint(spec) for spec in short.networks}


def test_real_times_go_into_a_table(tmp_path: Path) -> None:
    space = make_space("nas_bench_macro", image_size=8, num_classes=10, resolution=8)
    from experiments.device import pick_device

    watch = stopwatch(MADE_FOR, pick_device("cpu"))
    build = builder(space, tmp_path / "blocks.json", stopwatch=watch, visits=1, seconds=1e-9)
    build.run()
    assert all(seconds > 0 for samples in build.table.networks.values() for seconds in samples)


def test_what_a_table_was_made_for_must_fit(tmp_path: Path) -> None:
    path = tmp_path / "blocks.json"
    LatencyTable(made_for=MADE_FOR).save(path)
    assert open_table(path, MADE_FOR).made_for == MADE_FOR
    for change in ({"threads": 2}, {"space": "mixed"}, {"batch": 8}, {"work": "training"}):
        ((name, value),) = change.items()
        wanted = MADE_FOR.model_copy(update=change)
        with pytest.raises(InputError, match=rf"was made for {name} .*, not {value}; choose"):
            open_table(path, wanted)


DAMAGES: list[tuple[str, object]] = [
    ("version", 2),
    ("format", "compound-nas/arch"),
    ("scale", -1),
    ("pieces", {"a": "b"}),
    ("pieces", {"a": [-1.0]}),
    ("pieces", {"a": []}),
    ("networks", [1]),
    ("surprise", 1),
]


@pytest.mark.parametrize(("name", "value"), DAMAGES, ids=range(len(DAMAGES)))
def test_a_damaged_table_gets_one_line(tmp_path: Path, name: str, value: object) -> None:
    path = tmp_path / "blocks.json"
    LatencyTable(made_for=MADE_FOR).save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    with pytest.raises(InputError, match=rf"not a latency table .*\({name}"):
        read_table(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_what_is_no_table_gets_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "blocks.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"blocks\.json: not a latency table"):
        read_table(path)


def test_disturbances_count_little() -> None:
    assert typical([1.0]) == 1.0
    assert typical([1.0, 1.1, 1.2, 9.0, 50.0]) == 1.1


def test_random_networks_are_different_and_not_those_left_out(space: SearchSpace) -> None:
    first = random_specs(space, 20, seed=0)
    names = {fingerprint(spec) for spec in first}
    assert len(names) == 20
    assert random_specs(space, 20, seed=0) == first
    others = {fingerprint(spec) for spec in random_specs(space, 20, seed=0, without=names)}
    assert len(others) == 20
    assert not others & names


def test_a_small_space_gives_all_that_it_has() -> None:
    skeleton = ArchSpec("few", 16, stages_from_strings("ir_r1_k3_s1_e2_c8"))
    few = SearchSpace("few", skeleton, (StageOptions(expands=(2,), layers=(0,), widths=(1,)),))
    assert few.size == 4
    assert len(random_specs(few, 10, seed=0)) == 4
