"""Owns what is kept when rows are folded: of each kind as much as it has room for, of the versions asked last."""

from collections import Counter
from collections.abc import Mapping

from service.metrics.kinds import KINDS, LAST, MODEL
from service.metrics.rows import Name, Row

_GROUP = 3
"""Parts of a name that stay or go together: a kind, a model and its version; of builds a model and a result."""


def names_to_keep(rows: Mapping[Name, Row], sizes: Mapping[Name, int]) -> list[Name]:
    """Return the names of the rows to keep; `sizes` are the bytes of each row, and what was counted last comes last.

    All classes of a version stay, or none of them: a part of them would look like a drift.
    """
    groups: Counter[Name] = Counter()
    for name in rows:
        groups[name[:_GROUP]] += sizes[name]
    asked = {name[1:]: row[LAST] for name, row in rows.items() if name[0] == MODEL.name}
    used: Counter[str] = Counter()
    gone: set[Name] = set()
    by_time = sorted(groups, key=lambda one: asked.get(one[1:], 0))
    for group in reversed(by_time):
        most = KINDS[group[0]].most_bytes
        used[group[0]] += groups[group]
        if most is not None and used[group[0]] > most:
            gone.add(group)
    return [name for name in rows if name[:_GROUP] not in gone]
