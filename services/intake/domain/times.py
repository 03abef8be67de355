"""HL7 times: a text becomes an interval, as wide as its precision leaves open (feeds.md section 7).

``2026`` is a year and never 1 January. What is no time (``""``, zeros, 29 February of a wrong year, hour 24)
reads as None: not an error, and not "now".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Literal

from refrain.contracts.events import TimePrecision
from services.intake.domain.profile import CollectedFrom
from services.intake.domain.reasons import Rejected

FUTURE_LIMIT = timedelta(hours=24)
"""A collection may lie this far ahead of receipt: clocks and zones differ (feeds.md 7, our choice)."""

_TIME = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,9}))?)?)?)?)?)?([+-]\d{4})?", re.ASCII
)
_PRECISIONS: tuple[TimePrecision, ...] = ("year", "month", "day", "hour", "minute", "second", "fraction")
_WIDTHS = {"hour": timedelta(hours=1), "minute": timedelta(minutes=1), "second": timedelta(seconds=1)}
_FIRST = (1, 1, 1, 0, 0, 0)
_MICROSECOND_DIGITS = 6
YEARS = range(1850, 2200)
"""Years that are times of patients; 9999 and 0001 are ways to say "unknown" (our choice)."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A half-open interval of time, its precision, and what was odd about it."""

    start: datetime
    end: datetime
    precision: TimePrecision
    quality: tuple[str, ...] = ()

    @classmethod
    def unknown(cls, issued: datetime) -> Moment:
        """Nobody said when; all that is known is that it was told of at ``issued``."""
        return cls(issued, issued, "unknown", ("collection_time_missing",))

    @property
    def known(self) -> bool:
        return self.precision != "unknown"

    def same_minute(self, other: Moment | None) -> bool:
        """Whether both begin in the same minute."""
        return other is not None and self.start.astimezone(UTC).replace(second=0, microsecond=0) == (
            other.start.astimezone(UTC).replace(second=0, microsecond=0)
        )

    @property
    def last_day(self) -> date:
        """The last local day that the interval touches."""
        return (self.end.astimezone(self.start.tzinfo) - timedelta(microseconds=1)).date()


def read_time(text: str, zone: tzinfo) -> Moment | None:
    """A DTM text as an interval; ``zone`` holds where the text names none. None when it is no time."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    *parts, fraction, offset = match.groups()
    numbers = [int(part) for part in parts if part is not None]
    precision = _PRECISIONS[len(numbers) - 1 + (fraction is not None)]
    here = zone if offset is None else _fixed(offset)
    if here is None or numbers[0] not in YEARS:
        return None
    micro = int((fraction or "0").ljust(_MICROSECOND_DIGITS, "0")[:_MICROSECOND_DIGITS])
    year, month, day, hour, minute, second = [*numbers, *_FIRST[len(numbers) :]]
    try:
        start = datetime(year, month, day, hour, minute, second, micro)  # noqa: DTZ001  the zone is settled below
        end = _local_end(start, precision, len(fraction or ""))
        return _settle(start, end, precision, here)
    except (ValueError, OverflowError):
        return None


def _local_end(start: datetime, precision: TimePrecision, digits: int) -> datetime:
    match precision:
        case "year":
            return start.replace(year=start.year + 1)
        case "month":
            return (start + timedelta(days=31)).replace(day=1)
        case "day":
            return start + timedelta(days=1)
        case "fraction":
            return start + timedelta(microseconds=10 ** max(0, _MICROSECOND_DIGITS - digits))
    return start + _WIDTHS[precision]


def _settle(start: datetime, end: datetime, precision: TimePrecision, zone: tzinfo) -> Moment:
    """Put a local interval into its zone; an hour that happens twice, or never, covers both readings."""
    if precision in ("year", "month", "day"):
        return Moment(min(_readings(start, zone)), max(_readings(end, zone)), precision)
    first, second = _readings(start, zone)
    width = end - start
    if first == second:
        return Moment(first, _shift(first, width, zone), precision)
    exists = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == start
    code = "ambiguous_local_time" if exists else "nonexistent_local_time"
    early, late = sorted((first, second), key=lambda reading: reading.astimezone(UTC))
    return Moment(early, late + width, precision, (code,))


def _readings(local: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """Both readings of a local time, with fixed offsets; equal unless the clock changed there."""
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    return _with_fixed_offset(first), _with_fixed_offset(second)


def _shift(moment: datetime, width: timedelta, zone: tzinfo) -> datetime:
    return _with_fixed_offset((moment.astimezone(UTC) + width).astimezone(zone))


def _with_fixed_offset(moment: datetime) -> datetime:
    offset = moment.utcoffset()
    if offset is None:
        raise ValueError("a zone without an offset")
    if offset.seconds % 60:
        return moment.astimezone(UTC)  # local mean time of old: JSON has no offset with seconds
    return moment.replace(tzinfo=timezone(offset) if offset else UTC, fold=0)


def _fixed(offset: str) -> tzinfo | None:
    hours, minutes = int(offset[1:3]), int(offset[3:5])
    if hours > 14 or minutes > 59:
        return None
    span = timedelta(hours=hours, minutes=minutes) * (-1 if offset[0] == "-" else 1)
    return timezone(span) if span else UTC


# --- which time counts ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TimeField:
    """A time field as received and as read; ``place`` names it, ``OBX[1]-14``."""

    text: str
    moment: Moment | None

    @property
    def unusable(self) -> bool:
        """Filled with something that is no time, other than HL7's ``""`` and zeros."""
        return self.moment is None and bool(self.text.strip('"0 '))


def time_field(text: str, zone: tzinfo) -> TimeField:
    """Read one time field."""
    return TimeField(text, read_time(text, zone))


NO_TIME = TimeField("", None)


@dataclass(frozen=True, slots=True)
class Collected:
    """When a specimen was taken, and which field said so."""

    moment: Moment
    source: CollectedFrom | Literal["not stated"]
    quality: tuple[str, ...]


def collected_at(
    fields: dict[CollectedFrom, TimeField],
    order: tuple[CollectedFrom, ...],
    reported: tuple[Moment | None, ...],
    received_at: datetime,
    place: str,
) -> Collected:
    """Choose the time of collection.

    The first usable field in the profile's order; but OBX-14 is passed over where it is one of the
    ``reported`` times (OBR-22, MSH-7) to the minute and OBR-7 differs. Rejected when there is none, or when it
    lies more than :data:`FUTURE_LIMIT` after ``received_at``.
    """
    quality: list[str] = []
    for source in order:
        field = fields.get(source, NO_TIME)
        if field.unusable:
            quality.append("time_unusable")
        if field.moment is None:
            continue
        if source == "OBX-14" and _is_report_time(field.moment, fields.get("OBR-7", NO_TIME), order, reported):
            quality.append("observation_time_is_report_time")
            continue
        if field.moment.start > received_at + FUTURE_LIMIT:
            raise Rejected("future_time", place)
        return Collected(field.moment, source, (*quality, *field.moment.quality))
    raise Rejected("collection_time_missing", place)


def taken_back_without_a_time(issued: Issued) -> Collected:
    """The time of a result that is only taken back: which one, its order and code say (feeds.md 9)."""
    moment = Moment.unknown(issued.at)
    return Collected(moment, "not stated", moment.quality)


def _is_report_time(
    moment: Moment, collection: TimeField, order: tuple[CollectedFrom, ...], reported: tuple[Moment | None, ...]
) -> bool:
    other = collection.moment
    if "OBR-7" not in order or other is None or moment.same_minute(other):
        return False
    return any(moment.same_minute(report) for report in reported)


@dataclass(frozen=True, slots=True)
class Issued:
    """When a result was reported, and which field said so."""

    at: datetime
    source: Literal["OBR-22", "MSH-7", "receipt"]


def issued_at(order: Moment | None, message: Moment | None, received_at: datetime) -> Issued:
    """OBR-22, else MSH-7, else receipt."""
    if order is not None:
        return Issued(order.start, "OBR-22")
    if message is not None:
        return Issued(message.start, "MSH-7")
    return Issued(received_at, "receipt")


def age_in_days(birth: Moment | None, first_day: date, last_day: date) -> tuple[int, int] | None:
    """Age at collection as a half-open interval of whole days; None when unknown or before birth.

    ``first_day`` and ``last_day`` are the local days between which the specimen was taken. A birth time is
    only a day, since ``000000`` stands for an unknown hour.
    """
    if birth is None:
        return None
    youngest = (first_day - birth.last_day).days
    oldest = (last_day - birth.start.date()).days + 1
    return (max(0, youngest), oldest) if oldest > 0 else None
