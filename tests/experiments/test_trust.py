"""What is made of networks that were trained by the proxy and by the full recipe."""

from typing import Any

import numpy as np
import pytest

from experiments.ranks import kendall
from experiments.trust import PROXY, SEEDS, trust_rows, trust_seconds, verdict, whole

COUNT = 40


def networks(*, proxy_noise: float, macs_noise: float, seeds: int = 2) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=COUNT)
    proxy = truth + proxy_noise * rng.normal(size=COUNT)
    macs = truth + macs_noise * rng.normal(size=COUNT)
    full = truth[:, None] + 0.1 * rng.normal(size=(COUNT, seeds))
    return [
        {
            "proxy": proxy[i], "full": full[i].tolist(), "macs": macs[i], "params": -truth[i],
            "seconds": {"proxy": 1.0, "full": [4.0] * seeds}, "error": None,
        }
        for i in range(COUNT)
    ]  # fmt: skip


def known(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["what"]: row for row in trust_rows(rows)}


def test_rows_are_means_over_the_seeds_of_the_full_recipe() -> None:
    rows = networks(proxy_noise=0.3, macs_noise=1.0)
    found = known(rows)
    assert list(found) == [PROXY, SEEDS, "MACs alone", "params alone"]
    proxy = np.array([row["proxy"] for row in rows])
    full = np.array([row["full"] for row in rows]).T
    taus = [kendall(proxy, one) for one in full]
    assert found[PROXY]["tau"] == pytest.approx(np.mean(taus))  # type: ignore[arg-type]
    assert found[SEEDS]["tau"] == pytest.approx(kendall(*full))
    assert found["params alone"]["tau"] < -0.8
    ahead = found["MACs alone"]["ahead"]
    assert ahead["tau"] == pytest.approx(found[PROXY]["tau"] - found["MACs alone"]["tau"])
    assert "ahead" not in found[SEEDS]


def test_one_seed_has_no_ceiling() -> None:
    assert SEEDS not in known(networks(proxy_noise=0.3, macs_noise=1.0, seeds=1))


def test_a_network_that_failed_is_left_out() -> None:
    rows = networks(proxy_noise=0.3, macs_noise=1.0)
    rows[3] = {**rows[3], "proxy": None, "full": [None, 0.1], "error": "proxy: loss is nan"}
    assert len(whole(rows)) == COUNT - 1
    assert known(rows)[PROXY]["n"] == COUNT - 1
    assert trust_rows(rows[3:4]) == []
    assert "Too few networks" in verdict([], {})


def test_scores_are_compared_where_there_are_any() -> None:
    rows = networks(proxy_noise=0.3, macs_noise=1.0)
    for row in rows:
        row["scores"] = {"zico": row["full"][0], "macs": row["macs"]}
    found = known(rows)
    assert "zico alone" in found
    assert list(found).count("MACs alone") == 1
    assert found["zico alone"]["tau"] > 0.9


def test_the_verdict_says_whether_training_told_anything() -> None:
    good, bad = networks(proxy_noise=0.2, macs_noise=2.0), networks(proxy_noise=2.0, macs_noise=0.5)
    said = verdict(trust_rows(good), trust_seconds(good))
    assert "That is more than what costs no training tells: MACs alone" in said
    assert "another seed of the full recipe itself with τ" in said
    assert f"over {COUNT} networks" in said
    assert "It takes 25% of the time." in said
    said = verdict(trust_rows(bad), trust_seconds(bad))
    assert "not shown to tell more than what costs no training: MACs alone" in said
    few = verdict(trust_rows(good[:4]), {})
    assert "costs no training" not in few
    assert "95%" not in few


def test_networks_that_seeds_do_not_order_are_nothing_to_judge_by() -> None:
    rows, rng = networks(proxy_noise=0.2, macs_noise=1.0), np.random.default_rng(1)
    for row in rows:
        row["full"] = rng.normal(size=2).tolist()
    said = verdict(trust_rows(rows), trust_seconds(rows))
    assert "differ by less than the noise of a training" in said
    assert "costs no training" not in said


def test_a_proxy_without_an_order() -> None:
    rows = [{**row, "proxy": 0.1} for row in networks(proxy_noise=0.2, macs_noise=1.0)]
    found = trust_rows(rows)
    assert found[0]["tau"] is None
    assert "no order at all" in verdict(found, trust_seconds(rows))
