"""The predictor that ships, its file, and `nas search --evaluator imagenet` without data."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file
from scipy.stats import kendalltau

from experiments.imagenet.files import SHIPPED, Source, load_predictor, save_predictor
from experiments.imagenet.prior import imagenet_prior
from experiments.imagenet.table import SPACE, read_measured
from experiments.imagenet.text import print_answer
from nas.pairwise.fit import fit
from search_spaces.catalog import catalog_spec
from search_spaces.codec import spec_from_json
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.measured import MEASURED
from search_spaces.membership import encode_spec
from tests.conftest import Caller

Array = np.ndarray
B0_MACS = 385_814_752
SEARCH = ("search", "--evaluator", "imagenet", "--target-macs", B0_MACS, "--trials", 4)


def table_of(encoded: Array, accuracy: Array) -> pd.DataFrame:
    """Writes measured networks as their publishers' table does."""
    columns: dict[str, Any] = {"val_top1": 100 * accuracy}
    for choice, indices in zip(MEASURED[SPACE].make().choices, encoded.T, strict=True):
        stage, name = choice.name.split(".")
        values = np.array(choice.options, dtype=float)[indices]
        theirs = {"kernel": "k", "expand": "e", "se": "se", "layers": "l"}[name]
        if name == "se":
            values = (values > 0).astype(float)
        if name == "layers":
            values += 1
        columns[f"block{int(stage.removeprefix('stage')) - 1}_{theirs}"] = values.astype(int)
    return pd.DataFrame(columns)


def test_the_file_that_ships_is_small_and_predicts_what_it_did() -> None:
    loaded = load_predictor()
    predictor = loaded.predictor
    assert SHIPPED.stat().st_size < 1_000_000
    assert (loaded.source.licence, loaded.source) == ("Apache-2.0", Source())
    b0 = encode_spec(predictor.space, catalog_spec("efficientnet_b0"))
    assert b0 is not None
    least, most = np.zeros_like(b0), np.array([len(c.options) - 1 for c in predictor.space.choices])
    networks = np.stack([b0, least, most])
    golden = [0.657798, 0.364375, 0.679739]
    np.testing.assert_allclose(predictor.accuracy(networks), golden, atol=1e-5)
    deviation = predictor.deviation(networks)
    assert deviation[0] == pytest.approx(0.001787, abs=1e-4)
    assert deviation[1] > 2 * deviation[0]  # a corner of the space is less certain


def test_a_predictor_is_read_back_as_it_was_fitted(tmp_path: Path) -> None:
    space = MEASURED[SPACE].make()
    rng = np.random.default_rng(0)
    encoded = space.sample_encoded(rng, 60)
    accuracy = np.float32(0.4 + 0.01 * encoded.sum(axis=1) / 3).astype(float)
    fitted = fit(space, encoded, accuracy)
    path = tmp_path / "mine.safetensors"
    save_predictor(path, fitted, Source(measured="sixty", published="nowhere", licence="none"))
    loaded = load_predictor(path)
    others = space.sample_encoded(rng, 20)
    read = loaded.predictor
    np.testing.assert_allclose(read.accuracy(others), fitted.accuracy(others), rtol=1e-12)
    np.testing.assert_allclose(read.deviation(others), fitted.deviation(others), rtol=1e-9)
    assert loaded.source == Source("sixty", "nowhere", "none")
    again = tmp_path / "again.safetensors"
    save_predictor(again, read, loaded.source)
    assert load_predictor(again).digest == loaded.digest


def broken(path: Path, **changes: Any) -> Path:
    from safetensors import safe_open

    with safe_open(SHIPPED, framework="numpy") as file:
        metadata = {**file.metadata(), **changes.pop("metadata", {})}
    arrays = {name: array for name, array in load_file(SHIPPED).items() if name not in changes}
    arrays.update({name: value for name, value in changes.items() if value is not None})
    save_file(arrays, path, metadata)
    return path


def test_files_that_are_no_predictor_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    with pytest.raises(InputError, match="there is no such file"):
        load_predictor(path)
    path.write_bytes(b"\0" * 100)
    with pytest.raises(InputError, match="not a predictor"):
        load_predictor(path)
    with pytest.raises(InputError, match="not a predictor of `nas bench predictor`, version 1"):
        load_predictor(broken(path, metadata={"version": "2"}))
    with pytest.raises(InputError, match="made for other choices"):
        load_predictor(broken(path, metadata={"choices": "{}"}))
    with pytest.raises(InputError, match=r"not a whole predictor \('alpha'\)"):
        load_predictor(broken(path, alpha=None))
    with pytest.raises(InputError, match="rates is not of shape"):
        load_predictor(broken(path, rates=np.ones(3)))
    with pytest.raises(InputError, match="or not finite"):
        load_predictor(broken(path, numbers=np.full(5, np.nan)))


def test_a_table_is_read_as_its_networks(tmp_path: Path) -> None:
    fitted = load_predictor().predictor.fitted
    table_of(fitted.encoded, fitted.accuracy).to_parquet(tmp_path / "table.parquet")
    encoded, accuracy = read_measured(tmp_path / "table.parquet")
    np.testing.assert_array_equal(encoded, fitted.encoded)
    np.testing.assert_allclose(accuracy, fitted.accuracy, atol=1e-7)


def test_measured_networks_are_ranked_unseen() -> None:
    shipped = load_predictor().predictor
    encoded, accuracy = shipped.fitted.encoded, shipped.fitted.accuracy
    assert len(encoded) == 5138
    seen = np.random.default_rng(0).permutation(len(accuracy)) < 1500
    predictor = fit(shipped.space, encoded[seen], accuracy[seen], hyper=shipped.hyper)
    predicted, measured = predictor.accuracy(encoded[~seen]), accuracy[~seen]
    assert kendalltau(predicted, measured).statistic > 0.91
    away = np.abs(measured - predicted) / predictor.deviation(encoded[~seen])
    assert 0.64 < (away < 1).mean() < 0.72
    assert 0.9 < (away < 1.96).mean() < 0.97  # a few trainings went wrong: the tails are heavy


def test_other_tables_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    with pytest.raises(InputError, match="there is no such table"):
        read_measured(path)
    path.write_text("no Parquet")
    with pytest.raises(InputError, match="not Parquet"):
        read_measured(path)
    pd.DataFrame({"accuracy": [1.0]}).to_parquet(path)
    with pytest.raises(InputError, match="not Accel-NASBench's table"):
        read_measured(path)


def test_a_search_without_data_beats_efficientnet_b0(call: Caller, tmp_path: Path) -> None:
    outcome = call(*SEARCH, "--json")
    document = outcome.document
    assert (outcome.status, outcome.err) == (0, "")
    best, (b0,) = document["best"], document["published"]
    assert (b0["name"], b0["macs"], b0["params"]) == ("efficientnet_b0", B0_MACS, 5_288_548)
    assert b0["reward"] == pytest.approx(b0["accuracy"])
    assert best["reward"] > b0["reward"]
    assert document["outside_the_space"] == ["mnasnet_a1", "mnasnet_b1"]
    assert document["maximum"]["proven"]
    assert len(document["top"]) == 4
    assert document["measured"]["nearest"]["choices_apart"] > 0
    assert set(document["measured"]["outside"].values()) == {0.0}
    assert list(tmp_path.iterdir()) == []


def test_a_search_for_people(call: Caller) -> None:
    outcome = call(*SEARCH, "--objective", "hard")
    assert outcome.status == 0
    for text in ("efficientnet_b0", "±", "proven", "mnasnet_a1", "Accel-NASBench", "Apache-2.0"):
        assert text in outcome.out


def test_what_was_found_is_a_run_folder(call: Caller, tmp_path: Path) -> None:
    document = call(*SEARCH, "--out", "run", "--json").document
    folder = tmp_path / "run"
    spec = spec_from_json((folder / "best.json").read_text(), where="best.json")
    assert cost(spec).macs == document["best"]["macs"]
    trials = pd.read_parquet(folder / "trials.parquet")
    assert trials["reward"].tolist() == pytest.approx([row["reward"] for row in document["top"]])
    assert trials["deviation"].gt(0).all()
    counted = call("cost", "run", "--json").document
    assert (counted["macs"], counted["name"]) == (document["best"]["macs"], "accel_nasbench_386M")
    family = call("scale", "run", "--phi", "0:3", "--json").document
    assert [member["phi"] for member in family["members"]] == [0, 1, 2, 3]
    exported = call("export", "run", "--format", "spec", "--json").document
    assert spec_from_json(Path(exported["files"][0]["path"]).read_text(), where="it") == spec
    assert call(*SEARCH, "--out", "run", "--json").document["best"] == document["best"]
    assert len(pd.read_parquet(folder / "trials.parquet")) == 4
    for words, message in (
        ((*SEARCH, "--objective", "hard", "--out", "run"), "was made for objective soft, not hard"),
        (("search", "--data", "digits", "--target-macs", "2M", "--out", "run"), "were predicted"),
        (("report", "run"), "accuracies were predicted in this run and nothing was trained"),
        (("train", "run"), "a training needs --data and a folder of its own"),
    ):
        refused = call(*words)
        assert (refused.status, refused.out, refused.err.count("\n")) == (2, "", 1)
        assert message in refused.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--data", "digits"), "predicts accuracies and trains nothing; leave --data out"),
        (("--recipe", "fast"), "leave --recipe out"),
        (("--search-epochs", 3), "leave --search-epochs out"),
        (("--set", "lr=0.1"), "leave --set out"),
        (("--device", "cpu"), "leave --device out"),
        (("--sampler", "tpe"), "leave --sampler out"),
        (("--confirm", 0), "leave --confirm out"),
        (("--width", 1.0), "leave --width out"),
        (("--seed", 0), "leave --seed out"),
        (("--space", "mixed"), "knows the networks of space accel_nasbench only, not of mixed"),
        (("--resolution", 192), "knows networks at 224×224 pixels only, not at 192"),
        (
            ("--target-macs", "2G"),
            "--target-macs 2G: the networks that --evaluator imagenet knows have 51.59M",
        ),
        (("--objective", "v2"), "weighs MACs by --objective soft or hard, not v2"),
        (("--objective", "math:hypot"), "weighs MACs by --objective soft or hard"),
        (("--cost", "latency"), "leave --cost out"),
        (("--evaluator", "imagnet"), "did you mean 'imagenet'?"),
        (("--evaluator", "mine.safetensors"), "mine.safetensors: there is no such file"),
    ],
)
def test_what_no_prediction_heeds_is_refused(
    call: Caller, tmp_path: Path, words: tuple[object, ...], message: str
) -> None:
    outcome = call(*SEARCH, *words, "--out", "out")
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert message in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_what_was_measured_may_be_asked_for(call: Caller) -> None:
    same = call(*SEARCH, "--space", "accel_nasbench", "--resolution", 224, "--json")
    assert same.document == call(*SEARCH, "--evaluator", str(SHIPPED), "--json").document


def test_the_fit_is_a_command(call: Caller, tmp_path: Path) -> None:
    fitted = load_predictor().predictor.fitted
    few = table_of(fitted.encoded[:200], fitted.accuracy[:200])
    few.to_parquet(tmp_path / "few.parquet")
    words = ("bench", "predictor", "--table", "few.parquet", "--fit", "mine.safetensors", "--json")
    (row,) = call(*words).document["predictor"]
    assert (row["fitted to"], row["bytes"]) == (200, (tmp_path / row["what"]).stat().st_size)
    own = call(*SEARCH, "--evaluator", "mine.safetensors", "--json").document
    assert own["measured"]["networks"] == 200


def test_a_best_outside_what_was_measured_says_how_far(
    call: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("search", "--evaluator", "imagenet", "--objective", "hard", "--target-macs", "860M")
    document = call(*words, "--json").document
    most = document["measured"]["macs"][1]
    assert document["best"]["macs"] > most
    outside = document["measured"]["outside"]
    assert outside["macs"] == pytest.approx(document["best"]["macs"] / most - 1)
    print_answer(document)
    assert f"OUTSIDE: {outside['macs']:.1%} above it in MACs" in capsys.readouterr().out


def test_the_shipped_predictor_is_a_prior() -> None:
    predictor = load_predictor().predictor
    encoded = predictor.space.sample_encoded(np.random.default_rng(0), 5)
    np.testing.assert_array_equal(imagenet_prior()(encoded), predictor.accuracy(encoded))
    with pytest.raises(InputError, match="has other choices than asked"):
        imagenet_prior(["stage1.kernel"])
