"""Words that stand in the place of a number: ordinal answers, and reasons why there is none. Closed tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from refrain.clinical.notation import plain, word

ORDINAL_SCALE: tuple[str, ...] = ("negative", "trace", "1+", "2+", "3+", "4+")
"""Least first. ``positive`` and ``indeterminate`` stand beside the scale."""

_ORDINALS: Mapping[str, tuple[str, ...]] = {
    "negative": (
        "neg", "negative", "not detected", "none detected", "undetected", "nondetected", "non-reactive", "nonreactive",
        "absent", "not present", "none seen", "no abnormal bands", "no monoclonal protein", "no monoclonal band",
        "no monoclonal bands", "no m-protein", "no m-protein detected", "no monoclonal protein detected",
        "no monoclonal component",
    ),
    "trace": ("trace", "traces", "tr"),
    "1+": ("+", "1+", "(+)"),
    "2+": ("++", "2+"),
    "3+": ("+++", "3+"),
    "4+": ("++++", "4+"),
    "positive": ("pos", "positive", "detected", "reactive", "present"),
    "indeterminate": ("ind", "indeterminate", "equivocal", "inconclusive", "borderline", "uncertain", "doubtful"),
}  # fmt: skip
_MISSING: Mapping[str, tuple[str, ...]] = {
    "not_performed": (
        "tnp", "test not performed", "not performed", "not done", "cancelled", "canceled", "test cancelled",
        "test canceled",
    ),
    "insufficient": ("qns", "quantity not sufficient", "insufficient", "insufficient sample", "insufficient specimen"),
    "specimen_unsuitable": (
        "haemolysed", "hemolyzed", "haemolyzed", "hemolysed", "clotted", "lipaemic", "lipemic", "unsuitable specimen",
        "specimen unsuitable", "wrong tube", "contaminated",
    ),
    "see_comment": ("see note", "see notes", "see comment", "see comments", "see below", "see text", "comment"),
    "pending": ("pending", "in process", "in progress", "to follow"),
    "not_given": ("novalue", "no value", "not given", "not available", "n/a", "not reported", "no result"),
    "not_calculable": (
        "not calculated", "not calculable", "unable to calculate", "cannot be calculated", "cannot calculate",
        "calculation not possible",
    ),
    "below_quantification": (
        "too small to quantify", "too small to quantitate", "below quantification", "below limit of quantification",
        "not quantifiable", "unable to quantify",
    ),
}  # fmt: skip

ORDINALS: Mapping[str, str] = {text: code for code, texts in _ORDINALS.items() for text in texts}
MISSING: Mapping[str, str] = {text: code for code, texts in _MISSING.items() for text in texts}
MISSING_CODES: frozenset[str] = frozenset((*_MISSING, "empty", "deleted"))

_NOMINAL: Mapping[str, Literal["POS", "NEG", "IND"]] = {
    "negative": "NEG", "positive": "POS", "1+": "POS", "2+": "POS", "3+": "POS", "4+": "POS", "trace": "IND",
    "indeterminate": "IND",
}  # fmt: skip


def ordinal(text: str) -> str | None:
    """The ordinal answer that a text is, as a step of the scale, ``positive`` or ``indeterminate``; else None."""
    return ORDINALS.get(word(text))


def missing(text: str, senders: Mapping[str, str] | None = None) -> str | None:
    """Why a text is no value: a code of ``MISSING_CODES`` or of the sender's own table; None when it may be one."""
    stripped = text.strip()
    if senders and (own := senders.get(stripped)):
        return own
    if stripped == '""':
        return "deleted"
    return MISSING.get(word(text)) if plain(text) else "empty"


def nominal(ordinal_value: str | None) -> Literal["POS", "NEG", "IND"] | None:
    """POS, NEG or IND for an ordinal answer. A trace is IND: neither a negative nor a proven positive."""
    return _NOMINAL.get(ordinal_value) if ordinal_value else None
