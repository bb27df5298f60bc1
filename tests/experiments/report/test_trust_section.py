"""The report's section on the proxy."""

from pathlib import Path
from typing import Any

import numpy as np

from experiments.report import report_document
from experiments.store import RunFolder
from experiments.trust import trust_rows, trust_seconds, verdict, whole
from tests.experiments.report.fake_run import EVIL, fake_run
from tests.experiments.report.pages import read


def write_proxy(folder: RunFolder, *, count: int = 12, error: str | None = None) -> dict[str, Any]:
    """Writes proxy.json with made-up accuracies, one network failed."""
    rng = np.random.default_rng(0)
    truth = rng.random(count)
    networks: list[dict[str, Any]] = [
        {
            "fingerprint": f"f{n}", "blocks": [f"ir_r{n}", EVIL], "macs": 1000 + n, "params": 10,
            "proxy": float(value) / 2, "full": [float(value), float(value) ** 2],
            "seconds": {"proxy": 1.0, "full": [8.0, 8.0]}, "error": None,
        }
        for n, value in enumerate(truth)
    ]  # fmt: skip
    networks[0]["error"] = error
    rows, seconds = trust_rows(networks), trust_seconds(networks)
    document = {
        "space": "mixed", "seeds": 2, "seed": 0, "agreement": rows, "seconds": seconds,
        "proxy": {"epochs": 1, "resolution": 16, "images": 100},
        "full": {"epochs": 12, "resolution": 16, "images": 100},
        "failed": count - len(whole(networks)), "verdict": verdict(rows, seconds),
        "networks": networks,
    }  # fmt: skip
    folder.write_json(folder.proxy_path, document)
    return document


def test_the_proxy_has_a_section_once_it_was_checked(tmp_path: Path) -> None:
    folder = fake_run(tmp_path, "search")
    assert "trust" not in read(folder).ids("section")
    document = write_proxy(folder)
    assert report_document(folder)["paths"]["proxy"] == str(folder.proxy_path)
    page = read(folder)
    ids = page.ids("section")
    assert ids.index("trust") == ids.index("search") + 1
    assert "Can the proxy be trusted?" in page.words
    assert document["verdict"] in page.words
    for text in ("the full recipe, another seed", "MACs alone", "1 epoch on 100 images at 16"):
        assert text in page.words
    assert f"{document['agreement'][0]['tau']:.2f}" in page.words
    assert "failed to train" not in page.words


def test_what_failed_is_counted_and_names_are_escaped(tmp_path: Path) -> None:
    folder = fake_run(tmp_path, "search")
    write_proxy(folder, error="full recipe: the loss is nan")
    page = read(folder)
    assert "1 network failed to train" in page.words
    assert "img" not in [tag for tag, _ in page.tags]
    assert "11 random networks" in page.words


def test_a_few_networks_have_no_interval(tmp_path: Path) -> None:
    folder = fake_run(tmp_path, "search")
    write_proxy(folder, count=3)
    page = read(folder)
    assert "trust" in page.ids("section")
    assert "95%: " not in page.words
