"""Zero-cost scores of random networks, as hints for the grey-box sampler's model.

They are kept in the run folder, network by network, so that a search that goes on does not score
again, and begins with the same hints however long scoring took.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from experiments.config import SearchConfig
from experiments.files import append_line, read_lines
from experiments.session import Session
from nas.costs import Costing
from nas.hints import Hints
from nas.samplers.known import Known
from search_spaces.codec import fingerprint
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec

__all__ = ["hinted", "read_hints"]

NETWORKS = 200
SECONDS, ENOUGH = 300.0, 50  # after which no more networks are scored, if there are as many
IMAGES = 32
SIDE = 64  # the most pixels; larger images tell hardly more, and take many times as long
USUAL = "zerocost"


def read_hints(text: str | None, *, sampler: str, first: int = 0) -> tuple[str, ...]:
    """Reads which scores are hints, as `zico,synflow`, or `zerocost` for the usual ones.

    Raises `InputError` for a score that is not known, for a sampler that takes no hints, and where
    the best by none, or by more than are scored, are to be trained `first`.
    """
    if not 0 <= first <= NETWORKS or (first and text is None):
        raise InputError(
            f"--hints-first {first}: it must be at most {NETWORKS}, and needs --hints SCORES"
        )
    if text is None:
        return ()
    from nas.zero_cost import WARM_SCORES, check_scores  # noqa: PLC0415 (brings torch)

    if sampler != "greybox":
        raise InputError(f"--hints {text}: only --sampler greybox takes hints, not {sampler}")
    if text == USUAL:
        return tuple(WARM_SCORES)
    try:
        return check_scores(dict.fromkeys(part.strip() for part in text.split(",")))
    except InputError as error:
        raise InputError(f"--hints {text}: {error}, or {USUAL}") from None


def hinted(known: Known, session: Session, asked: SearchConfig, costing: Costing) -> Known:
    """Adds to what is known of networks what the scores of random ones say of all others."""
    if not asked.hints:
        return known
    rows, scores = _scored(session, costing, asked.hints)
    hints = Hints(costing.space, rows, scores, asked.hints)
    told = ", ".join(
        f"{name} r = {found:.2f}" for name, found in zip(hints.names, hints.agreement, strict=True)
    )
    session.reporter.note(
        f"hints: scores of {len(rows)} random networks foretell those of others: {told}"
    )
    first = _best(rows, scores, asked, costing)[: asked.hints_first]
    return replace(known, hints=hints, first=first if len(first) else None)


def _best(
    rows: np.ndarray, scores: np.ndarray, asked: SearchConfig, costing: Costing
) -> np.ndarray:
    """Returns networks by their mean rank over the scores, those about the target first."""
    from nas.zero_cost.scoring import REACH, mean_ranks  # noqa: PLC0415 (brings torch)

    far = np.zeros(len(rows))
    if asked.target is not None and asked.cost in costing.exact:
        amounts = costing.encoded(rows, asked.cost)[:, 0]
        far = np.maximum(np.abs(np.log(amounts / asked.target)) - np.log(REACH), 0)
    return np.asarray(rows[np.lexsort((-mean_ranks(scores), far))])


def _scored(
    session: Session, costing: Costing, names: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns networks (N, choices) with their scores (N, names), kept ones or new."""
    rows = _drawn(costing, session.config.seed)
    specs = costing.space.decode_many(rows)
    kept = _Kept(session.folder.hints_path)
    if not kept.enough(names):
        session.reporter.step(f"Hints: zero-cost scores of up to {len(rows)} random networks")
        _score(session, specs, names, kept)
    found = [kept.of(fingerprint(spec), names) for spec in specs]
    whole = [index for index, scores in enumerate(found) if scores is not None]
    scores = np.array([found[index] for index in whole], dtype=np.float64)
    return rows[whole], scores.reshape(len(whole), len(names))


def _drawn(costing: Costing, seed: int) -> np.ndarray:
    """Draws distinct networks."""
    rows = costing.space.sample_encoded(np.random.default_rng(seed), 2 * NETWORKS)
    _, first = np.unique(costing.space.canonical(rows), axis=0, return_index=True)
    return np.asarray(rows[np.sort(first)[:NETWORKS]])


class _Kept:
    """Keeps scores by fingerprint in a file of JSON lines; a line says when all were scored."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.scores: dict[str, dict[str, float]] = {}
        self.ended: list[tuple[str, ...]] = []
        for line in read_lines(path):
            if "ended" in line:
                self.ended.append(tuple(line["ended"]))
            else:
                self.scores.setdefault(line["network"], {}).update(line["scores"])

    def of(self, network: str, names: tuple[str, ...]) -> list[float] | None:
        """Returns a network's scores; None where one of them is not there."""
        known = self.scores.get(network, {})
        return [known[name] for name in names] if set(names) <= known.keys() else None

    def enough(self, names: tuple[str, ...]) -> bool:
        """Tells whether these scores were taken to the end."""
        return any(set(names) <= set(ended) for ended in self.ended)

    def add(self, network: str, scores: dict[str, float]) -> None:
        """Writes a network's scores down; they are on disk when this returns."""
        append_line(self.path, {"network": network, "scores": scores})
        self.scores.setdefault(network, {}).update(scores)

    def end(self, names: tuple[str, ...]) -> None:
        """Writes down that no more networks are to be scored."""
        append_line(self.path, {"ended": names})
        self.ended.append(names)


def _score(session: Session, specs: list[ArchSpec], names: tuple[str, ...], kept: _Kept) -> None:
    """Scores what is not kept, until time is up."""
    from experiments.score_images import score_batch  # noqa: PLC0415 (brings torch)
    from nas.zero_cost import scores_of  # noqa: PLC0415

    data, seed, reporter = session.data, session.config.seed, session.reporter
    count, side = min(IMAGES, len(data.train)), min(SIDE, specs[0].resolution)
    batch = score_batch(data, count, resolution=side, device=session.device, seed=seed)
    start = time.monotonic()
    for number, spec in enumerate(specs, 1):
        if number > ENOUGH and time.monotonic() - start > SECONDS:
            break
        if kept.of(fingerprint(spec), names) is None:
            found = scores_of([spec], names, batch, num_classes=data.num_classes, seed=seed)
            kept.add(fingerprint(spec), dict(zip(names, found[0].tolist(), strict=True)))
        if reporter.due():
            reporter.under_way(0.0, f"scored {number} of {len(specs)} networks")
    kept.end(names)
