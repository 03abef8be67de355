"""Numbers in laboratory text. ASCII digits only; a comma means nothing until the sender's profile says what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from refrain.clinical.notation import MINUS

MAX_CHARACTERS = 40
"""Longest number that is read (feeds.md 10)."""
MAX_EXPONENT = 20
_EXPONENT = r"(?:[eE](?P<exponent>[+-]?[0-9]{1,3}))?"


@dataclass(frozen=True, slots=True)
class NumberStyle:
    """How a sender writes numbers: the decimal mark, and the thousands separator if it uses one."""

    decimal_mark: str = "."
    thousands: str | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """A number at the start of a text, and what follows it."""

    number: Decimal | None
    """None when it has marks between its digits that the style does not explain."""
    rest: str


PLAIN_STYLE = NumberStyle()


def leading(text: str, style: NumberStyle = PLAIN_STYLE, *, exponent: bool = True) -> Token | None:
    """The number that a text begins with; None when it does not begin with one.

    Trailing zeros are kept. A number of more than 40 characters, or with an exponent beyond 20, is none.
    ``exponent=False`` leaves ``1E3`` to the rest, as limits have no exponents.
    """
    match = _pattern(style, exponent).match(text)
    if match is None:
        return None
    digits, rest = match["digits"], text[match.end() :]
    if match.end() > MAX_CHARACTERS or (rest[:1].isascii() and rest[:1].isdigit()):
        return None
    power = match.groupdict().get("exponent") or "0"
    if abs(int(power)) > MAX_EXPONENT:
        return None
    plain = _plain_digits(digits, style)
    if plain is None:
        return Token(None, rest)
    sign = "-" if match["sign"] in ("-", MINUS) else ""
    return Token(Decimal(f"{sign}{plain}E{power}"), rest)


def whole(text: str, style: NumberStyle = PLAIN_STYLE) -> Decimal | None:
    """The number that a text is, without anything behind it; else None."""
    token = leading(text, style)
    return token.number if token and not token.rest else None


@cache
def _pattern(style: NumberStyle, exponent: bool) -> re.Pattern[str]:
    marks = "".join(sorted({".", ",", style.decimal_mark, style.thousands or "."}))
    inner = rf"[0-9](?:[{re.escape(marks)}]?[0-9])*"
    start = re.escape(style.decimal_mark)
    return re.compile(rf"(?P<sign>[+\-{MINUS}]?)(?P<digits>{inner}|{start}[0-9]+){_EXPONENT if exponent else ''}")


def _plain_digits(digits: str, style: NumberStyle) -> str | None:
    """The digits with a point, or None when a mark in them is not explained by the style."""
    integer, mark, fraction = digits.partition(style.decimal_mark)
    if style.thousands and style.thousands in integer:
        groups = integer.split(style.thousands)
        if len(groups[0]) > 3 or any(len(group) != 3 for group in groups[1:]):
            return None
        integer = "".join(groups)
    if not (integer + fraction).isdigit() or (mark and not fraction):
        return None
    return f"{integer or '0'}.{fraction}" if mark else integer
