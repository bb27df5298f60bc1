"""What `nas doctor --data` finds out about images before hours are spent on them."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.data.decoding import common_size, quiet
from experiments.data.image_data import IndexArray, Part, split_digest
from experiments.data.load import fingerprint, open_pool
from experiments.data.looking import Look, Seen, look_at
from experiments.data.pool import Pool
from experiments.data.preview import Preview
from experiments.data.splits import Split, choose, split
from search_spaces.errors import InputError

__all__ = ["inspect_data"]

_EXAMPLES = 5
_UNREADABLE_LISTED = 100
_FEW = 10  # train images of a class
_UNEVEN = 10.0  # largest class over smallest
_LEAK_SHARE = 0.01  # of validation or test
_SIZES = 5

Document = dict[str, Any]


@dataclass(frozen=True, eq=False)
class _Findings:
    """What was seen of chosen items: their part after the split, label and look, by position."""

    pool: Pool
    chosen: IndexArray
    parts: IndexArray
    labels: IndexArray
    seen: Seen

    def where(self, position: int) -> str:
        return self.pool.reader.where(int(self.chosen[position]))

    @property
    def good(self) -> list[tuple[int, Look]]:
        return [(at, look) for at, look in enumerate(self.seen.looks) if isinstance(look, Look)]

    @property
    def bad(self) -> list[str]:
        return [look for look in self.seen.looks if isinstance(look, str)]


def inspect_data(
    source: str | Path, *, limit: int | None = None, preview: Path | None = None
) -> Document:
    """Decodes every image of a source and returns what it holds and what is wrong, for JSON.

    `problems` must be mended before training, `warnings` should be known. Writes a sheet of
    images to `preview`. Raises InputError when the source cannot be opened at all.
    """
    pool = open_pool(source)
    chosen = choose(pool, limit, seed=0)
    labels = pool.labels[chosen]
    sheet = Preview(preview, labels, pool.classes) if preview else None
    with quiet():
        seen = look_at(
            pool,
            chosen,
            wanted=sheet.wanted if sheet else frozenset(),
            show=sheet.add if sheet else lambda _position, _image: None,
        )
    parts, unsplit = _split(pool, chosen)
    findings = _Findings(pool, chosen, parts, labels, seen)
    document = _document(findings)
    problems, warnings = _judged(document)
    if sheet:
        sheet.save()
        document["preview"] = str(preview)
    return document | {"problems": [*unsplit, *problems], "warnings": warnings}


def _split(pool: Pool, chosen: IndexArray) -> tuple[IndexArray, list[str]]:
    """Returns the part (N,) that training would give each item, with the reason if it cannot."""
    own, labels = pool.parts[chosen], pool.labels[chosen]
    try:
        found = split(labels, own, pool.classes, validation_fraction=0.2, test_fraction=0.2, seed=0)
    except InputError as error:
        return own.astype(np.int64), [f"{pool.origin}: {error}"]
    parts = np.empty(len(chosen), dtype=np.int64)
    for part, positions in _by_part(found).items():
        parts[positions] = part
    return parts, []


def _by_part(found: Split) -> Mapping[Part, IndexArray]:
    return dict(zip(Part, (found.train, found.validation, found.test), strict=True))


def _document(found: _Findings) -> Document:
    names = [part.name.lower() for part in Part]
    table = np.zeros((len(Part), len(found.pool.classes)), dtype=np.int64)
    np.add.at(table, (found.parts, found.labels), 1)
    return {
        "name": found.pool.origin,
        **_identity(found),
        "images": len(found.chosen),
        "looked_at": len(found.seen.looks),
        "counts": dict(zip(names, table.sum(axis=1).tolist(), strict=True)),
        "classes": list(found.pool.classes),
        "by_class": {
            name: dict(zip(names, column, strict=True))
            for name, column in zip(found.pool.classes, table.T.tolist(), strict=True)
        },
        "sizes": _sizes(found),
        "modes": dict(Counter(look.mode for _, look in found.good).most_common()),
        "unreadable": {"count": len(found.bad), "listed": found.bad[:_UNREADABLE_LISTED]},
        "broken": found.seen.broken,
        "one_colour": _listed(found, [at for at, look in found.good if look.one_colour]),
        **_likes(found),
    }


def _identity(found: _Findings) -> Document:
    """Returns what a run would record, None where it could not be made."""
    whole = len(found.good) == len(found.chosen)
    size = common_size(_stored_sizes(found)) if found.good else None
    stacked = np.frombuffer(b"".join(look.encoded for _, look in found.good), np.uint8)
    parts = [np.flatnonzero(found.parts == part).astype(np.int64) for part in Part]
    return {
        "fingerprint": fingerprint(found.pool, found.chosen, size, stacked)
        if whole and size
        else None,
        "split_digest": split_digest(*parts),
        "image_size": size,
    }


def _stored_sizes(found: _Findings) -> IndexArray:
    return np.array([look.size for _, look in found.good], dtype=np.int64).reshape(-1, 2)


def _sizes(found: _Findings) -> Document:
    sizes = _stored_sizes(found)
    if not len(sizes):
        return {"different": 0, "common": []}
    counted = Counter(map(tuple, sizes.tolist()))
    return {
        "different": len(counted),
        "common": [[*size, count] for size, count in counted.most_common(_SIZES)],
        **{
            name: np.asarray(pick(sizes, axis=0)).round().astype(int).tolist()
            for name, pick in (("min", np.min), ("median", np.median), ("max", np.max))
        },
    }


def _listed(found: _Findings, positions: list[int]) -> Document:
    examples = [found.where(position) for position in positions[:_EXAMPLES]]
    return {"count": len(positions), "examples": examples}


def _likes(found: _Findings) -> Document:
    """Returns what images with the very same pixels say: copies, leaks and contradictions."""
    same: dict[bytes, list[int]] = defaultdict(list)
    for position, look in found.good:
        same[look.pixels].append(position)
    groups = [group for group in same.values() if len(group) > 1]
    leaks = [group for group in groups if len(set(found.parts[group])) > 1]
    odd = [group for group in groups if len(set(found.labels[group])) > 1]
    return {
        "duplicates": _grouped(found, groups, sum(len(group) - 1 for group in groups)),
        "leaks": _grouped(found, leaks, sum(map(len, leaks)))
        | {part.name.lower(): _leaked(found, leaks, part) for part in (Part.VALIDATION, Part.TEST)},
        "contradictions": _grouped(found, odd, sum(map(len, odd))),
    }


def _leaked(found: _Findings, groups: list[list[int]], part: Part) -> int:
    """Counts the images of a part whose pixels an earlier part has too."""
    return sum(
        int((found.parts[group] == part).sum())
        for group in groups
        if (found.parts[group] < part).any()
    )


def _grouped(found: _Findings, groups: list[list[int]], count: int) -> Document:
    shown = [group[: _EXAMPLES - 1] for group in groups[:_EXAMPLES]]
    return {
        "count": count,
        "groups": len(groups),
        "examples": [[_named(found, position) for position in group] for group in shown],
    }


def _named(found: _Findings, position: int) -> str:
    part = Part(int(found.parts[position])).name.lower()
    return f"{found.where(position)} ({part}, {found.pool.classes[found.labels[position]]})"


def _judged(document: Document) -> tuple[list[str], list[str]]:
    """Returns the problems and the warnings that a document's numbers amount to."""
    problems: list[str] = []
    warnings: list[str] = []
    if document["broken"]:
        problems.append(f"the source cannot be read to its end: {document['broken']}")
    if count := document["unreadable"]["count"]:
        problems.append(f"{count} of {document['looked_at']} images cannot be read")
    for part in ("validation", "test"):
        count, total = document["leaks"][part], document["counts"][part]
        if count:
            told = f"{count} of {total} {part} images have the very pixels of an earlier part's"
            (problems if count >= _LEAK_SHARE * total else warnings).append(told)
    if count := document["contradictions"]["count"]:
        warnings.append(f"{count} images have the very pixels of one of another class")
    if count := document["one_colour"]["count"]:
        warnings.append(f"{count} images are of one colour")
    return problems, warnings + _uneven(document["by_class"])


def _uneven(by_class: Mapping[str, Mapping[str, int]]) -> list[str]:
    train = {name: counts["train"] for name, counts in by_class.items()}
    few = [f"{name} ({count})" for name, count in train.items() if count < _FEW]
    warnings: list[str] = []
    if few:
        more = f" and {len(few) - _EXAMPLES} more" if len(few) > _EXAMPLES else ""
        listed = ", ".join(few[:_EXAMPLES])
        warnings.append(f"classes with fewer than {_FEW} train images: {listed}{more}")
    (most, least) = (pick(train, key=lambda name: train[name]) for pick in (max, min))
    if train[most] >= _UNEVEN * max(1, train[least]):
        warnings.append(
            f"classes are uneven: {train[most]} train images of {most}, {train[least]} of {least}"
        )
    return warnings
