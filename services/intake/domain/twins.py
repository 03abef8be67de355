"""Several answers under one identity in one message (feeds.md section 9, "inside one message").

Identical twins collapse. Different numbers contradict one another and neither is used. Different texts or
codes are one result with several answers; one number among words keeps the words beside it. Answers of
different status (a preliminary value and its final one) are versions of one result and stay apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from uuid import UUID

from refrain.clinical.reading import Reading
from refrain.contracts.ids import canonical_json
from services.intake.domain.results import Draft


@dataclass(frozen=True, slots=True)
class Settled:
    """Drafts of which no two have the same identity and status, and the places of those that contradict."""

    drafts: tuple[Draft, ...]
    conflicting: tuple[str, ...]


def settle(drafts: Sequence[Draft]) -> Settled:
    """Settle the drafts of one message with one another; the order of the first of each identity is kept."""
    families: dict[tuple[UUID, str], list[Draft]] = {}
    for draft in drafts:
        families.setdefault((draft.result, draft.status), []).append(draft)
    kept: list[Draft] = []
    conflicting: list[str] = []
    for family in families.values():
        distinct = _distinct(family)
        if len({_number(draft.reading) for draft in distinct if draft.numeric}) > 1:
            conflicting.extend(draft.place for draft in family)
        else:
            repeated = len(distinct) < len(family)
            kept.append(_with_quality(_one(distinct), "repeated_in_message") if repeated else _one(distinct))
    return Settled(tuple(kept), tuple(dict.fromkeys(conflicting)))


def _distinct(family: Sequence[Draft]) -> list[Draft]:
    once: dict[str, Draft] = {}
    for draft in family:
        once.setdefault(canonical_json(draft.received), draft)
    return list(once.values())


def _number(reading: Reading) -> tuple[object, ...]:
    value = reading.value
    return value.kind, value.comparator, value.number, value.unit or value.unit_raw


def _one(distinct: Sequence[Draft]) -> Draft:
    """One draft of answers that do not contradict; what was received stays all of it in the version."""
    if len(distinct) == 1:
        return distinct[0]
    numbers = [draft for draft in distinct if draft.numeric]
    words = [draft.reading.value.text for draft in distinct if not draft.numeric and draft.reading.value.text]
    said = [draft for draft in distinct if draft.reading.value.text]
    base = (numbers or said or list(distinct))[0]
    value = base.reading.value
    if numbers:
        value = replace(value, companion=" ".join(filter(None, (value.companion, *words))) or None)
        code = "companion_words" if words else "repeated_in_message"
    elif len(words) > 1:
        value = replace(value, kind="text", text="\n".join(words), ordinal=None, missing=None)
        code = "several_answers"
    else:
        code = "repeated_in_message"
    return replace(
        base,
        reading=replace(base.reading, value=value),
        received=tuple(chain.from_iterable(draft.received for draft in distinct)),
        notes=tuple(dict.fromkeys(chain.from_iterable(draft.notes for draft in distinct))),
        quality=(*chain.from_iterable(draft.quality for draft in distinct), code),
    )


def _with_quality(draft: Draft, code: str) -> Draft:
    return replace(draft, quality=(*draft.quality, code))
