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
    text = "\n".join("^".join(components) for components in obx.repeated(5)).strip()
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
    codes = {draft.code.analyte.code for draft in drafts if draft.code.analyte}
    contradicted = _contradicted(statements)
    unused: list[Rejected] = []
    usable: list[Statement] = []
    for statement in statements:
        if not codes & _CARRIERS[statement.name]:
            unused.append(Rejected("attribute_without_result", statement.place))
        elif statement.name in contradicted and statement.standing == "counts":
            unused.append(Rejected("conflicting_duplicate", statement.place))
        else:
            usable.append(statement)
    said = {code: _said(code, usable) for code in codes}
    return [_with_statements(draft, said) for draft in drafts], unused


def _contradicted(statements: Sequence[Statement]) -> set[str]:
    """Names of statements that count and differ; texts add up instead."""
    values: dict[str, set[str]] = {}
    for statement in statements:
        if statement.standing == "counts" and statement.name != "statement":
            values.setdefault(statement.name, set()).add(statement.value)
    return {name for name, different in values.items() if len(different) > 1}


def _said(code: str, statements: Sequence[Statement]) -> tuple[dict[str, str], bool]:
    """What is said about results of one analyte, and whether something more waits to become final."""
    mine = [statement for statement in statements if code in _CARRIERS[statement.name]]
    texts: dict[str, dict[str, None]] = {}
    for statement in mine:
        if statement.standing == "counts":
            texts.setdefault(statement.name, {})[statement.value] = None
    waits = any(statement.standing == "not_final" for statement in mine)
    return {name: "\n".join(values) for name, values in texts.items()}, waits


def _with_statements(draft: Draft, said: Mapping[str, tuple[dict[str, str], bool]]) -> Draft:
    if draft.code.analyte is None:
        return draft
    code = draft.code.analyte.code
    statements, waits = said[code]
    lesion = {"lesion": draft.key.sub_id} if code in _SCAN and draft.key.sub_id else {}
    quality = (*draft.quality, "attribute_not_final") if waits else draft.quality
    return replace(draft, attributes=tuple(sorted((statements | lesion).items())), quality=quality)
