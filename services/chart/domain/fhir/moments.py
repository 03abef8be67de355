"""Dates as a search asks for them (FHIR R4 3.1.1.4.7): a prefix, and a time as wide as its precision leaves open."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

Span = tuple[datetime, datetime]
"""Half-open. Of an instant both ends are the same."""

PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
_WANTED = re.compile(
    r"(?P<prefix>[a-z]{2})?(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?P<fraction>\.\d{1,9})?)?"
    r"(?P<zone>Z|[+ -]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)
YEARS = range(1850, 2200)
"""As intake reads them: years in which a patient can have been (our choice)."""
MIDDLES = {"year": timedelta(days=180), "month": timedelta(days=14), "day": timedelta(hours=12)}
_ROUGHLY = 10
"""``ap``: within a tenth of the time between then and now, as FHIR proposes."""


class NoMoment(ValueError):
    """A text that is no date of a search."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One date that a search asks for."""

    prefix: str
    span: Span

    @property
    def bounds(self) -> tuple[datetime | None, datetime | None]:
        """No time that is asked for is over before the first, or begins at the second or later; None: no bound."""
        low, high = self.span
        match self.prefix:
            case "eq":
                return low, high
            case "ge":
                return low, None
            case "gt" | "sa":
                return high, None
            case "lt" | "eb":
                return None, low
            case "le":
                return None, high
        return None, None

    def matches(self, found: Span | None, now: datetime) -> bool:
        """Whether a time, or a stretch of time, is one that is asked for. An unknown one never is, save by ``ne``."""
        if found is None:
            return self.prefix == "ne"
        (low, high), (start, end) = self.span, found
        last = max(start, end - timedelta(microseconds=1))  # the latest moment that it may be
        match self.prefix:
            case "eq":
                return low <= start and last < high
            case "ne":
                return not (low <= start and last < high)
            case "gt":
                return last >= high
            case "lt":
                return start < low
            case "ge":
                return last >= low
            case "le":
                return start < high
            case "sa":
                return start >= high
            case "eb":
                return last < low
        slack = abs(now - low) / _ROUGHLY
        return start < high + slack and last >= low - slack


def wanted(text: str, zone: ZoneInfo) -> Wanted:
    """Read one date. Without a zone of its own it is the site's. NoMoment for what is none."""
    found = _WANTED.fullmatch(text)
    if found is None or (found["prefix"] or "eq") not in PREFIXES or int(found["year"]) not in YEARS:
        raise NoMoment(
            "not a date of a search: [prefix]YYYY-MM-DDThh:mm:ss, cut off anywhere but within the time, from 1850"
        )
    try:
        return Wanted(found["prefix"] or "eq", _span(found.groupdict(), zone))
    except (ValueError, OverflowError):
        raise NoMoment("a date that no calendar has") from None


def _span(parts: dict[str, str | None], zone: ZoneInfo) -> Span:
    year, month, day = int(parts["year"] or 0), int(parts["month"] or 1), int(parts["day"] or 1)
    if parts["hour"] is None:
        start = datetime(year, month, day, tzinfo=zone)
        if parts["day"]:
            return start, (start + timedelta(days=1))
        if parts["month"]:
            return start, datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone)
        return start, datetime(year + 1, 1, 1, tzinfo=zone)
    written = f"{year:04}-{month:02}-{day:02}T{parts['hour']}:{parts['minute']}:{parts['second'] or '00'}"
    own = (parts["zone"] or "").replace(" ", "+").replace("Z", "+00:00")  # a plus in a URL arrives as a space
    start = datetime.fromisoformat(written + own)
    if not own:
        start = start.replace(tzinfo=zone)
    if parts["fraction"]:
        digits = parts["fraction"][1:7]
        step = timedelta(microseconds=10 ** (6 - len(digits)))
        start += int(digits) * step
        return start, start + step
    return start, start + (timedelta(seconds=1) if parts["second"] else timedelta(minutes=1))


def date_of(at: datetime, precision: str, zone: ZoneInfo) -> str:
    """The year, month or day that begins at a moment, whatever the sender's zone: its middle decides."""
    middle = (at + MIDDLES[precision]).astimezone(zone)
    return f"{middle:%Y-%m-%d}"[: {"year": 4, "month": 7, "day": 10}[precision]]


def span_of(at: datetime, precision: str, zone: ZoneInfo) -> Span | None:
    """When a result was collected, as wide as its precision leaves open; None for an unknown or relative time."""
    match precision:
        case "relative" | "unknown":
            return None
        case "year" | "month" | "day":
            return wanted(date_of(at, precision, zone), zone).span
    widths = {"hour": timedelta(hours=1), "minute": timedelta(minutes=1)}
    return at, at + widths.get(precision, timedelta(0))
