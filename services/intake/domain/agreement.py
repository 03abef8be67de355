"""The laboratory's flag as an oracle: whether it says what value and range, as they were read here, say (feeds.md 2).

A sender whose flags often disagree is read wrongly: a range upside down, a decimal comma, a unit that is another's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from refrain.clinical.interpretation import read_flag
from refrain.clinical.ranges import Standing, stand
from refrain.contracts.events import Observation

Agreement = Literal["agree", "disagree"]

_SIDES: Mapping[str | None, frozenset[Standing]] = {
    "N": frozenset({"inside"}),
    "L": frozenset({"below"}), "LU": frozenset({"below"}), "LL": frozenset({"below"}),
    "H": frozenset({"above"}), "HU": frozenset({"above"}), "HH": frozenset({"above"}),
    "A": frozenset({"below", "above"}), "AA": frozenset({"below", "above"}),
}  # fmt: skip


def agreement(observation: Observation) -> Agreement | None:
    """None where they cannot be compared: no flag of normality, no interval, no number, or it is indeterminate.

    Value and range are compared as received. Of several flags one that fits is enough.
    """
    read = [flag for received in observation.reported_flags if (flag := read_flag(received)) is not None]
    sides = [_SIDES[flag.code] for flag in read if flag.code in _SIDES]
    value, limits = observation.value, observation.range.interval()
    if not sides or limits is None or value.number is None or value.kind not in ("quantity", "censored"):
        return None
    standing = stand(value.number, value.comparator, limits)
    if standing == "indeterminate":
        return None
    return "agree" if any(standing in side for side in sides) else "disagree"
