"""A complaint of the verdict, with a few examples; what a fault makes possible and the checks let pass is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

SHOWN = 3
"""So many examples of one complaint are printed."""
Allowed = Counter[str]


def some(complaint: str, which: Iterable[Any]) -> Iterator[str]:
    found = sorted(map(str, which))
    if found:
        yield f"{len(found)} {complaint}, e.g. {', '.join(found[:SHOWN])}"
