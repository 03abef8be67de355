"""How a coded value reads: the codes of an HL7 message are for machines, ``POS^^L~IGA^^L~LAMBDA^^L`` is no finding."""

from __future__ import annotations

import re

CODED = re.compile(r"[\w.+-]+\^[^^~]*\^[A-Za-z][\w.-]*(\^[^^~]*)*")
"""One repetition of a coded element: a code, its words, and the system that it is of."""
CHAINS = {
    name.upper(): name for name in ("IgG", "IgA", "IgM", "IgD", "IgE", "kappa", "lambda")
}  # fmt: skip


def readable(text: str) -> str:
    """``POS IgA lambda`` for the codes of an immunofixation, as the engines word it; any other text as it is."""
    parts = text.strip().split("~")
    if not all(CODED.fullmatch(part) for part in parts):
        return text
    return " ".join(_words(part) for part in parts)


def _words(part: str) -> str:
    code, words, *_ = part.split("^")
    return CHAINS.get(code.upper()) or words.strip() or code
