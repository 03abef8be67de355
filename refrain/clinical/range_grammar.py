"""The grammar of reference ranges, feeds.md section 11: one text to one Range, or the reason why not.

Read top down: brackets, then split by sex, then interval, bound or qualitative. A dash is a sign only where a
number may begin: at the start, after a separator, after an operator. Beyond the printed grammar a number may
begin with its decimal mark (``.5-1.2``), as values may.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from refrain.clinical.interval import Interval, Range
from refrain.clinical.notation import DASHES, plain
from refrain.clinical.numbers import NumberStyle, Token, leading, whole
from refrain.clinical.unit_names import ucum
from refrain.clinical.value_words import ordinal

MAX_CHARACTERS = 200
"""Longer texts are prose; no interval needs as many."""
_ABSENT = frozenset({"", '""', "*", "n/a", "none", *DASHES, *(dash * 2 for dash in DASHES)})
_OPERATORS: Mapping[str, str] = {
    "<": "<", "<=": "<=", "=<": "<=", "≤": "<=", "</=": "<=", "< or =": "<=",
    ">": ">", ">=": ">=", "=>": ">=", "≥": ">=", ">/=": ">=", "> or =": ">=",
}  # fmt: skip
_OPERATOR = re.compile(r"</=|<=|=<|<\s*or\s*=|<|≤|>/=|>=|=>|>\s*or\s*=|>|≥", re.IGNORECASE)
_WORDS: Mapping[str, str] = {
    "up to": "<=", "at most": "<=", "not more than": "<=", "no more than": "<=", "less than or equal to": "<=",
    "maximum": "<=", "max": "<=",
    "less than": "<", "below": "<", "under": "<", "lower than": "<",
    "at least": ">=", "from": ">=", "not less than": ">=", "no less than": ">=", "greater than or equal to": ">=",
    "minimum": ">=", "min": ">=",
    "more than": ">", "above": ">", "greater than": ">", "over": ">", "higher than": ">",
}  # fmt: skip
_SEX = {"m": "M", "male": "M", "males": "M", "men": "M", "f": "F", "female": "F", "females": "F", "women": "F"}
_SEXES = r"(?:males?|females?|men|women|m|f)"
_SPLIT = re.compile(
    rf"(?P<sex>{_SEXES})\s*[:=]?\s*(?P<body>[^a-z:=\s].*?)[\s,;/|]+"
    rf"(?P<sex2>{_SEXES})(?![a-z])\s*[:=]?\s*(?P<body2>[^a-z:=\s].*)",
    re.IGNORECASE | re.DOTALL,
)
_BRACKETS = {"[": "]", "(": ")"}
_QUALITIES = frozenset({"negative", "positive", "trace", "1+", "2+", "3+", "4+"})
_STEP = re.compile(r"0|[1-4]\+|neg|negative|trace", re.IGNORECASE)


class _Unread(Exception):
    """The text is no range; carries a key of ``interval.REASONS``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Body:
    """What stands between the brackets."""

    interval: Interval | None = None
    unit: str | None = None
    expected: str | None = None
    by_sex: Mapping[str, Interval] | None = None


@dataclass(frozen=True, slots=True)
class Grammar:
    """The grammar as one sender writes it."""

    style: NumberStyle
    separators: tuple[str, ...]
    words: Mapping[str, str]
    unit_aliases: Mapping[str, str]

    def read(self, components: Sequence[str]) -> Range:
        """One range from unescaped components: never raises."""
        text = "^".join(components)
        parts = [plain(component) for component in components]
        while len(parts) > 1 and not parts[-1]:
            parts.pop()
        try:
            if len(text) > MAX_CHARACTERS:
                raise _Unread("prose")
            if len(parts) > 1:
                return _made(text, _Body(self._structured(parts)))
            return self._field(text, parts[0] if parts else "")
        except _Unread as why:
            return Range("unparsed", text, reason=why.reason)

    def _structured(self, parts: Sequence[str]) -> Interval:
        """SN: ``<^5`` or ``^3^-^8``."""
        operator, first, separator, second, *more = [*parts, "", "", ""]
        low, high = whole(first, self.style), whole(second, self.style)
        bound = _OPERATORS.get(" ".join(operator.casefold().split()))
        if any(more) or low is None:
            raise _Unread("sn_shape")
        if not separator and not second:
            if bound:
                return _bound(bound, low)
            raise _Unread("sn_shape" if operator else "bare_number")
        if operator or separator not in DASHES or high is None:
            raise _Unread("sn_shape")
        return _interval(low, True, high, True)

    def _field(self, text: str, field: str) -> Range:
        if field.casefold() in _ABSENT:
            return Range("absent", text)
        opening = field[0]
        if opening not in _BRACKETS:
            if not _balanced(field):
                raise _Unread("brackets")
            return _made(text, self._body(field))
        inner, after = _within(field)
        if inner.strip()[:1] in _BRACKETS or not (_balanced(inner) and _balanced(after)):
            raise _Unread("brackets")
        if inner.strip().casefold() in _ABSENT:
            return Range("absent", text)
        body, outside = self._body(inner.strip()), self._unit(after)
        if body.unit and outside and body.unit != outside:
            raise _Unread("unit")
        return _made(text, replace(body, unit=body.unit or outside))

    def _body(self, body: str) -> _Body:
        if both := _SPLIT.fullmatch(body):
            return self._split(both)
        if expected := _quality(body):
            return _Body(expected=expected)
        if body[0] in DASHES and (operator := _OPERATOR.match(body[1:].lstrip())):
            rest = body[1:].lstrip()
            return self._no_low(operator, rest)
        bound, at = self._direction(body)
        token = leading(body[at:], self.style, exponent=False)
        if token is None:
            raise _Unread("interpretive" if bound and _OPERATOR.search(body[at:]) else "prose")
        low, rest = _number(token), token.rest
        if (after := self._separator(rest)) is not None:
            return self._second_limit(bound, low, rest[after:])
        if bound is None:
            raise _Unread(self._why(rest) if rest.strip() and ucum(rest, self.unit_aliases) is None else "bare_number")
        return _Body(_bound(bound, low), self._unit(rest))

    def _no_low(self, operator: re.Match[str], rest: str) -> _Body:
        """``- <9``: nothing before the dash."""
        bound = _OPERATORS[" ".join(operator.group().casefold().split())]
        token = leading(rest[operator.end() :].lstrip(), self.style, exponent=False)
        if token is None or bound not in ("<", "<="):
            raise _Unread("prose" if token is None else "interpretive")
        return _Body(_bound(bound, _number(token)), self._unit(token.rest))

    def _second_limit(self, low_operator: str | None, low: Decimal, rest: str) -> _Body:
        high_operator, at = self._operator(rest)
        token = leading(rest[at:], self.style, exponent=False)
        if token is None:
            raise _Unread(self._why(rest))
        high = _number(token)
        if self._separator(token.rest) is not None:
            raise _Unread("too_many_numbers")
        if high_operator in (">", ">="):
            raise _Unread("interpretive")
        if low_operator and (high_operator is None or low_operator not in (">", ">=")):
            raise _Unread("operator_on_low_only")
        interval = _interval(low, low_operator != ">", high, high_operator != "<")
        return _Body(interval, self._unit(token.rest))

    def _split(self, both: re.Match[str]) -> _Body:
        """``M: … F: …``: two bodies that are intervals, of different sexes."""
        first, second = self._body(both["body"].strip()), self._body(both["body2"].strip())
        sexes = (_SEX[both["sex"].casefold()], _SEX[both["sex2"].casefold()])
        if sexes[0] == sexes[1] or first.interval is None or second.interval is None:
            raise _Unread("prose")
        if first.unit and second.unit and first.unit != second.unit:
            raise _Unread("unit")
        by_sex = {sexes[0]: first.interval, sexes[1]: second.interval}
        return _Body(unit=first.unit or second.unit, by_sex=by_sex)

    def _direction(self, body: str) -> tuple[str | None, int]:
        """The operator or word that a body begins with, and where its number starts."""
        operator, at = self._operator(body)
        if operator:
            return operator, at
        lower = body.casefold()
        for words in (self.words, _WORDS):
            for word in sorted(words, key=len, reverse=True):
                after = body[len(word) :]
                if lower.startswith(word.casefold()) and after != after.lstrip():
                    return words[word], len(body) - len(after.lstrip())
        return None, 0

    def _operator(self, text: str) -> tuple[str | None, int]:
        match = _OPERATOR.match(text)
        if match is None:
            return None, 0
        rest = text[match.end() :]
        return _OPERATORS[" ".join(match.group().casefold().split())], len(text) - len(rest.lstrip())

    def _separator(self, rest: str) -> int | None:
        """Where the text goes on behind a separator and before a second limit; None when there is none."""
        spaced = rest.lstrip()
        candidates = [*DASHES, "..", *self.separators]
        if rest != spaced and re.match(r"to\s", spaced, re.IGNORECASE):
            candidates.append(spaced[:2])
        for separator in candidates:
            if spaced.startswith(separator):
                after = spaced[len(separator) :].lstrip()
                _, at = self._operator(after)
                if leading(after[at:], self.style, exponent=False) is not None:
                    return len(rest) - len(after)
        return None

    def _unit(self, rest: str) -> str | None:
        """The unit at the end, None when nothing is left; anything else is no range."""
        if not rest.strip():
            return None
        if unit := ucum(rest, self.unit_aliases):
            return unit
        raise _Unread(self._why(rest))

    def _why(self, rest: str) -> str:
        """Why what follows a number is not a unit."""
        text = rest.strip()
        if re.search(r"[<>≤≥=]", text):
            return "interpretive"
        if any(bracket in text for bracket in "[]()"):
            return "brackets"
        if text[:1] == "," and text[1:2].isdigit():
            return "comma"
        if len(text.split()) == 1 and text[:1] not in ":;,._?":
            return "unit"
        return "prose"


def _balanced(text: str) -> bool:
    """Whether every bracket has its other half: UCUM units bring their own, as in ``m[IU]/L``."""
    return all(text.count(opening) == text.count(closing) for opening, closing in _BRACKETS.items())


def _within(field: str) -> tuple[str, str]:
    """What the first bracket encloses, and what comes after its other half."""
    opening, depth = field[0], 0
    for at, sign in enumerate(field):
        depth += (sign == opening) - (sign == _BRACKETS[opening])
        if depth == 0:
            return field[1:at], field[at + 1 :]
    raise _Unread("brackets")


def _number(token: Token) -> Decimal:
    if token.number is None:
        raise _Unread("comma")
    return token.number


def _interval(low: Decimal, low_inclusive: bool, high: Decimal, high_inclusive: bool) -> Interval:
    if low > high:
        raise _Unread("inverted")
    if low == high and not (low_inclusive and high_inclusive):
        raise _Unread("empty")
    return Interval(low, high, low_inclusive, high_inclusive)


def _bound(operator: str, limit: Decimal) -> Interval:
    inclusive = operator in ("<=", ">=")
    if operator in ("<", "<="):
        return Interval(None, limit, None, inclusive)
    return Interval(limit, None, inclusive, None)


def _quality(body: str) -> str | None:
    """A qualitative expectation: one ordinal answer, or a span of them such as ``0-2+``."""
    known = ordinal(body)
    if known in _QUALITIES:
        return known
    ends = re.split(f"[{re.escape(DASHES)}]", body)
    if len(ends) == 2 and all(_STEP.fullmatch(end.strip()) for end in ends) and not ends[1].strip().isdigit():
        return "-".join("0" if end.strip() == "0" else ordinal(end) or "" for end in ends)
    return None


def _made(text: str, body: _Body) -> Range:
    if body.expected:
        return Range("qualitative", text, expected=body.expected)
    limits = body.interval or Interval()
    return Range(
        "interval", text, limits.low, limits.high, limits.low_inclusive, limits.high_inclusive, body.unit,
        by_sex=body.by_sex,
    )  # fmt: skip
