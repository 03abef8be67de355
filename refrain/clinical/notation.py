"""Characters that mean something in laboratory text: superscripts, multiplication signs, dashes, spaces.

Superscripts become ``^n`` and ``×`` becomes ``x`` here, before anything else looks at the text. Unicode NFKC
is used nowhere: it would turn 8×10⁶ into 8×106 (clinical.md DQ-14).
"""

from __future__ import annotations

import re

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_SUPERSCRIPT_RUN = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+")
_PLAIN = str.maketrans(
    {"×": "x", "✕": "x", "\u00a0": " ", "\u2007": " ", "\u2009": " ", "\u202f": " ", "\u3000": " "}
    | dict.fromkeys("\u200b\u2060\ufeff", "")
)

DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2212"
"""Every character that may stand between two limits: U+002D, U+2010 to U+2014, U+2212."""
MINUS = "\u2212"
"""The one dash beside U+002D that may also be the sign of a number."""


def plain(text: str) -> str:
    """The same text with superscripts as ``^n``, ``×`` as ``x``, odd spaces as spaces; outer space stripped."""
    raised = _SUPERSCRIPT_RUN.sub(lambda run: "^" + run.group().translate(_SUPERSCRIPTS), text)
    return raised.translate(_PLAIN).strip()


def word(text: str) -> str:
    """A text as it is looked up in a table of words: plain, lower case, single spaces, no full stop at the end."""
    return " ".join(plain(text).split()).casefold().rstrip(".!").strip()
