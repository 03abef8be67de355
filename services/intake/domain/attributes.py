"""Statements that stand by another result: liver uptake and new lesions by a scan's lesions, clonality by a marrow.

They come as OBX of their own, with codes that the profile declares, and are no results of their own
(answers 24). One that has no result to stand by is quarantined, because a new lesion must not get lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from refrain.clinical import statuses
from refrain.clinical.values import read_value
from services.intake.domain.er7 import DELETED, Segment
from services.intake.domain.orders import OrderContext
from services.intake.domain.profile import Profile
from services.intake.domain.reasons import Rejected
from services.intake.domain.results import Draft

_SCAN = frozenset({"PET_LESION"})
_MARROW = frozenset({"BM_FLOW", "BM_PC"})
_CARRIERS: Mapping[str, frozenset[str]] = {
    "liver_suvmax": _SCAN, "new_lesion": _SCAN, "statement": _SCAN, "clonal": _MARROW, "light_chain": _MARROW,
}  # fmt: skip
_SAYS_NOTHING = ("withdrawn", "unobtainable", "none", "pending")
_YES_NO = {
    "y": "Y", "yes": "Y", "true": "Y", "pos": "Y", "positive": "Y",
    "n": "N", "no": "N", "false": "N", "neg": "N", "negative": "N",
}  # fmt: skip
_CHAINS = {"kappa": "kappa", "k": "kappa", "kap": "kappa", "lambda": "lambda", "l": "lambda", "lam": "lambda"}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of an order: which attribute, what it says, and whether that counts."""

    place: str
    name: str
    value: str
    standing: Literal["counts", "not_final", "nothing_said"]


def statement_of(obx: Segment, name: str, order: OrderContext) -> Statement:
    """Read a statement. Rejected (``attribute_unreadable``) when its text is not in the closed tables."""
    status_class, _ = statuses.classify(obx.text(11).strip() or statuses.from_order(order.status))
    text = "\n".join("^".join(obx.components(5, at + 1)) for at in range(len(obx.repetitions(5)))).strip()
    if status_class in _SAYS_NOTHING or text in ("", DELETED):
        return Statement(obx.place, name, "", "nothing_said")
    value = _READERS[name](obx, text, order.message.profile)
    if value is None:
        raise Rejected("attribute_unreadable", obx.place)
    return Statement(obx.place, name, value, "counts" if statuses.definitive(status_class) else "not_final")


def _yes_or_no(obx: Segment, text: str, _: Profile) -> str | None:
    return _YES_NO.get(obx.text(5).strip().casefold()) or _YES_NO.get(text.casefold())


def _chain(obx: Segment, text: str, _: Profile) -> str | None:
    return _CHAINS.get(obx.text(5).strip().casefold()) or _CHAINS.get(text.casefold())


def _number(_obx: Segment, text: str, profile: Profile) -> str | None:
    value, _quality = read_value("NM", [text], style=profile.numbers.style)
    return str(value.number) if value.kind == "quantity" else None


def _words(_obx: Segment, text: str, _profile: Profile) -> str | None:
    return text


_READERS: Mapping[str, Callable[[Segment, str, Profile], str | None]] = {
    "liver_suvmax": _number, "new_lesion": _yes_or_no, "statement": _words, "clonal": _yes_or_no, "light_chain": _chain,
}  # fmt: skip


def attach(drafts: Sequence[Draft], statements: Sequence[Statement]) -> tuple[list[Draft], list[Rejected]]:
    """The drafts of one order with their statements, and the statements that cannot be used.

    Those found no result to stand by, or contradict one another.
    """
    unused: list[Rejected] = []
    usable: list[Statement] = []
    for statement in statements:
        if not any(_carries(draft, statement.name) for draft in drafts):
            unused.append(Rejected("attribute_without_result", statement.place))
        elif any(_contradicts(statement, other) for other in statements):
            unused.append(Rejected("conflicting_duplicate", statement.place))
        else:
            usable.append(statement)
    return [_with_statements(draft, usable) for draft in drafts], unused


def _contradicts(one: Statement, other: Statement) -> bool:
    same = one.name == other.name and one.standing == other.standing == "counts"
    return same and one.value != other.value and one.name != "statement"


def _carries(draft: Draft, name: str) -> bool:
    return draft.code.analyte is not None and draft.code.analyte.code in _CARRIERS[name]


def _with_statements(draft: Draft, statements: Sequence[Statement]) -> Draft:
    mine = [statement for statement in statements if _carries(draft, statement.name)]
    said: dict[str, str] = {}
    for statement in mine:
        if statement.standing == "counts":
            before = said.get(statement.name)
            said[statement.name] = (
                f"{before}\n{statement.value}" if before and before != statement.value else statement.value
            )
    if draft.code.analyte is not None and draft.code.analyte.code in _SCAN and draft.key.sub_id:
        said["lesion"] = draft.key.sub_id
    waiting = ("attribute_not_final",) if any(statement.standing == "not_final" for statement in mine) else ()
    return replace(draft, attributes=tuple(sorted(said.items())), quality=(*draft.quality, *waiting))
