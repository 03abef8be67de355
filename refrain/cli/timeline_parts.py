"""The small parts of a timeline: times, birth dates, doses, events; an error says where and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from refrain.contracts.events import TimePrecision

Json = Any
PART_OF_A_DATE = {4: "{}-01-01", 7: "{}-01"}
"""Length of a partly known date to its first day."""
ONGOING = "9000-12-31"
"""Last day of a drug whose last dose is not stated: it acts until somebody says when it ended (EXP-1)."""


class TimelineError(ValueError):
    """A document that cannot be read; the message says where and what to do."""


def an_object(place: str, value: Json) -> Mapping[str, Json]:
    """The value, an object of the document; an empty one where there is none."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TimelineError(f"{place}: an object is expected here")
    return value


def read_time(place: str, text: Json, zone: ZoneInfo) -> tuple[datetime, datetime, TimePrecision]:
    """A time and the interval its precision leaves open; a bare date is that calendar day in the site's zone."""
    try:
        if len(text) == len("2025-01-02"):
            day = date.fromisoformat(text)
            return _midnight(day, zone), _midnight(day + timedelta(days=1), zone), "day"
        instant = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise TimelineError(f"{place}: a time is written 2025-01-02 or 2025-01-02T08:00:00Z") from None
    if instant.tzinfo is None:
        raise TimelineError(f"{place}: a time with hours needs its zone: 2025-01-02T08:00:00Z")
    return instant, instant + timedelta(seconds=1), "second"


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone)


def read_days(place: str, text: Json) -> tuple[date, date]:
    """The first and the last day that a date known in full, to its month or to its year may be (R-6)."""
    try:
        if len(text) not in PART_OF_A_DATE:
            known = date.fromisoformat(text[:10])
            return known, known
        first = date.fromisoformat(PART_OF_A_DATE[len(text)].format(text))
    except (TypeError, ValueError):
        raise TimelineError(f"{place}: a date is written 1970-01-31, 1970-01 or 1970") from None
    beyond = first.replace(year=first.year + 1) if len(text) == 4 else (first + timedelta(days=31)).replace(day=1)
    return first, beyond - timedelta(days=1)


def doses(place: str, exposure: Mapping[str, Json]) -> Iterator[tuple[str, str, str]]:
    """First day, last day and dose of every exposure entry; planned ones are the caller's to leave out."""
    if not exposure.get("drug"):
        raise TimelineError(f"{place}: an exposure needs its 'drug'")
    dose = str(exposure.get("dose", ""))
    try:
        for day in exposure.get("dates") or ():
            yield day, day, dose
        for each in exposure.get("doses") or ():
            yield each["date"], each["date"], f"{each['mg_per_m2']} mg/m2" if "mg_per_m2" in each else dose
        for first, last in exposure.get("intervals") or ():
            yield first, last, dose
        if "first_dose" in exposure:
            yield exposure["first_dose"], exposure.get("last_dose") or ONGOING, dose
    except (KeyError, TypeError, ValueError):
        raise TimelineError(
            f"{place}: days are given as 'dates': [day, ...], 'doses': [{{'date': day}}, ...],"
            " 'intervals': [[first, last], ...] or 'first_dose' and 'last_dose'"
        ) from None


def event_key(place: str, body: Mapping[str, Json], on: date) -> str:
    """What the event is about; the same again is a new version of it. Visits of one day are two, not versions."""
    subject = body.get("drug") or body.get("cell") or body.get("name") or body.get("line") or body.get("result") or ""
    if body["type"] == "clinical_finding":
        subject = place
    return f"{body['type']} {subject} {body.get('repair_rule_id') or ''}{on}"


def event_body(place: str, event: Mapping[str, Json], on: date) -> dict[str, Json]:
    body = {key: value for key, value in event.items() if key not in ("synthetic_date", "date", "recorded_at")}
    match event.get("type"):
        case "drug":
            return {"first": on, "last": on, **body}
        case "collection":
            cell = next((name for name in ("cd34", "mnc") if name in event), None)
            if cell is None:
                return {"on": on, **body}
            counted = event[cell] if isinstance(event[cell], Mapping) else {}
            return {
                "type": "collection", "on": on, "cell": cell, "number": counted.get("value"),
                "unit": counted.get("unit") or "", "text": counted.get("source_text", ""),
                "repair_rule_id": counted.get("repair_rule_id"),
            }  # fmt: skip
        case None:
            raise TimelineError(f"{place}: an event needs its 'type'")
        case _:
            return {"on": on, **body}
