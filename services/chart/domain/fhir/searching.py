"""What a search asks for, and whether a resource is it. Nothing is ignored: an unknown parameter is refused.

A filter that is silently dropped would answer with more than was asked for, and one that is misread with less.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from refrain.clinical.analytes import CATALOGUE
from refrain.clinical.loinc import check_digit_ok
from refrain.contracts.fhir_names import ALERT_KINDS, BASE, LOINC, code_system
from services.chart.domain.fhir import calls
from services.chart.domain.fhir.alerts import kind_of_resource
from services.chart.domain.fhir.alerts import status_of as alert_status
from services.chart.domain.fhir.moments import NoMoment, Span, Wanted, span_of, wanted
from services.chart.domain.fhir.observations import CATEGORIES, LOINC_SYSTEMS, category_of, status_of
from services.chart.domain.fhir.pieces import Piece, code
from services.chart.domain.fhir.reports import Head, effective
from services.chart.domain.views import AlertRow, ResultRow

Token = tuple[str, str]
"""System and code; the system may be empty."""

COUNT, LARGEST_COUNT = 50, 200
"""Resources on a page: by default, and at most."""
COUNT_DIGITS = 9
MOST_VALUES = 200
"""In one search, of all parameters together: each is compared with each resource (our choice)."""
SEARCHES: Mapping[str, Mapping[str, str]] = {
    "Patient": {"_id": "token", "identifier": "token", "_lastUpdated": "date"},
    "Observation": {
        "_id": "token", "patient": "reference", "subject": "reference", "code": "token", "date": "date",
        "category": "token", "status": "token", "_lastUpdated": "date",
    },
    "DiagnosticReport": {
        "_id": "token", "patient": "reference", "subject": "reference", "code": "token", "date": "date",
        "category": "token", "status": "token", "identifier": "token", "_lastUpdated": "date",
    },
    "Flag": {
        "_id": "token", "patient": "reference", "subject": "reference", "code": "token", "date": "date",
        "status": "token", "_lastUpdated": "date",
    },
    "DetectedIssue": {
        "_id": "token", "patient": "reference", "code": "token", "identified": "date", "status": "token",
        "_lastUpdated": "date",
    },
}  # fmt: skip
"""Resource, search parameter and its type: the whole of what can be searched for."""
ALWAYS = ("_count", "_format", "_page")
"""Parameters that every search takes beside its own; ``_page`` only out of a ``next`` link."""
_COMMA = re.compile(r"(?<!\\),")
"""Parts values of which one must hold; a comma of a value itself is written with a backslash."""
STATUS_SYSTEMS: Mapping[str, str] = {
    "Observation": "http://hl7.org/fhir/observation-status",
    "DiagnosticReport": "http://hl7.org/fhir/diagnostic-report-status",
    "Flag": "http://hl7.org/fhir/flag-status",
    "DetectedIssue": "http://hl7.org/fhir/observation-status",
}
"""Code systems of the statuses, as R4 binds them: those of Observation stand for DetectedIssue too."""
TOKENS = ("code", "category", "status", "identifier")


class Unsearchable(ValueError):
    """A search that is not answered. ``code`` is FHIR's issue type; the text names parameters, never their values."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Asked:
    """One search. Each filter is a list of which all must hold, each a list of which one must hold."""

    kind: str
    patient: str | None
    ids: tuple[tuple[str, ...], ...]
    tokens: Mapping[str, tuple[tuple[str, ...], ...]]
    dates: Mapping[str, tuple[tuple[Wanted, ...], ...]]
    count: int
    page: str

    @property
    def also_gone(self) -> bool:
        """Whether results that are gone from their id are told of: to those who look for changes or for errors."""
        return "status" in self.tokens or "_lastUpdated" in self.dates

    def one_of_ids(self) -> tuple[str, ...]:
        """The ids that every ``_id`` names."""
        first, *others = self.ids
        return tuple(each for each in dict.fromkeys(first) if all(each in other for other in others))


@dataclass(frozen=True, slots=True)
class Searchable:
    """Of a resource what a search looks at."""

    tokens: Mapping[str, frozenset[Token]]
    dates: Mapping[str, Span | None]


def asked(kind: str, given: Sequence[tuple[str, str]], zone: ZoneInfo) -> Asked:
    """Read the parameters of a search. Unsearchable for any that is not known, or not understood."""
    known = SEARCHES[kind]
    if unknown := sorted({name for name, _ in given if name not in known and name not in ALWAYS}):
        named = ", ".join(name if name.isidentifier() and len(name) < 40 else "one of them" for name in unknown)
        raise Unsearchable("not-supported", f"{kind} cannot be searched by: {named}")
    values: dict[str, list[tuple[str, ...]]] = {}
    for name, value in given:
        if not value.strip():
            raise Unsearchable("invalid", f"{name} is empty")
        ors = (each.replace("\\,", ",") for each in _COMMA.split(value))
        values.setdefault(name, []).append(tuple(ors))
    if sum(len(ors) for ands in values.values() for ors in ands) > MOST_VALUES:
        raise Unsearchable("too-costly", f"at most {MOST_VALUES} values in one search: ask in parts")
    tokens = {name: tuple(values[name]) for name in TOKENS if name in values}
    dates = {
        name: tuple(tuple(_date(name, each, zone) for each in ors) for ors in values[name])
        for name, sort in known.items()
        if sort == "date" and name in values
    }
    return Asked(
        kind, _patient(values), tuple(values.get("_id", ())), tokens, dates, _count(values), _only(values, "_page")
    )


def _only(values: Mapping[str, list[tuple[str, ...]]], name: str) -> str:
    found = values.get(name, [])
    if len(found) > 1 or any(len(ors) > 1 for ors in found):
        raise Unsearchable("invalid", f"{name} is given more than once")
    return found[0][0] if found else ""


def _patient(values: Mapping[str, list[tuple[str, ...]]]) -> str | None:
    """The one patient of a search, by ``patient`` or ``subject``; both must be the same."""
    named = {_only(values, name).removeprefix("Patient/") for name in ("patient", "subject") if name in values}
    if len(named) > 1:
        raise Unsearchable("invalid", "patient and subject name different patients")
    return next(iter(named), None)


def _count(values: Mapping[str, list[tuple[str, ...]]]) -> int:
    text = _only(values, "_count")
    if not text:
        return COUNT
    if not (text.isascii() and text.isdigit()) or len(text) > COUNT_DIGITS or int(text) < 1:
        raise Unsearchable("invalid", "_count is a whole number from 1")
    return min(int(text), LARGEST_COUNT)


def _date(name: str, text: str, zone: ZoneInfo) -> Wanted:
    try:
        return wanted(text, zone)
    except NoMoment as error:
        raise Unsearchable("invalid", f"{name}: {error}") from None


def matches(searched: Asked, found: Searchable, now: datetime) -> bool:
    """Whether a resource is what is asked for."""
    tokens = all(
        any(_is(each, known) for each in ors for known in found.tokens.get(name, frozenset()))
        for name, ands in searched.tokens.items()
        for ors in ands
    )
    return tokens and all(
        any(each.matches(found.dates.get(name), now) for each in ors)
        for name, ands in searched.dates.items()
        for ors in ands
    )


def _is(given: str, known: Token) -> bool:
    """``code``, ``system|code``, ``system|`` or ``|code`` (a code without a system)."""
    system, bar, named = given.rpartition("|")
    if not bar:
        return named == known[1]
    return system == known[0] and named in ("", known[1])


def of_row(row: ResultRow, zone: ZoneInfo) -> Searchable:
    """A result, before it is made into a resource."""
    return Searchable(
        tokens={
            "code": frozenset(_codes(row)),
            "category": frozenset({(CATEGORIES, category_of(row.specimen))}),
            "status": frozenset({(STATUS_SYSTEMS["Observation"], status_of(row) or "")}),
        },
        dates={
            "date": span_of(row.collected_at, row.time_precision, zone),
            "_lastUpdated": (row.recorded_at, row.recorded_at),
        },
    )


def _codes(row: ResultRow) -> Iterable[Token]:
    """As :func:`services.chart.domain.fhir.observations.observation` gives them."""
    is_loinc = row.system.upper() in LOINC_SYSTEMS and check_digit_ok(row.code)
    yield (LOINC if is_loinc else code_system(row.system)), code(row.code) or ""
    entry = CATALOGUE.get(row.analyte) if row.analyte else None
    if entry is not None:
        yield f"{BASE}/CodeSystem/analyte", entry.code
        if entry.loinc and not is_loinc:
            yield LOINC, entry.loinc[0]


def of_head(head: Head, zone: ZoneInfo, *, dated: bool) -> Searchable:
    """A report, before it is made into a resource: all that its results decide; when, only where it is asked for."""
    status = (STATUS_SYSTEMS["DiagnosticReport"], head.status)
    at = head.changed_at
    when = effective(head.occurred_at, head.standing, zone)[1] if dated else None
    return Searchable({"status": frozenset({status})}, {"_lastUpdated": (at, at), "date": when})


def of_alert(row: AlertRow) -> Searchable:
    """An alert, before its whole life is read."""
    status = (STATUS_SYSTEMS.get(kind_of_resource(row) or "", ""), alert_status(row))
    return Searchable({"code": frozenset({(ALERT_KINDS, row.kind)}), "status": frozenset({status})}, {})


def of_resource(resource: Piece, zone: ZoneInfo) -> Searchable:
    """A resource that was made already, not of a result: its times are instants, dates or none."""
    kind = resource["resourceType"]
    codes = [resource.get("code", {})]
    identifiers = [(each.get("system", ""), each["value"]) for each in resource.get("identifier", ())]
    return Searchable(
        tokens={
            "code": _tokens(codes),
            "category": _tokens(resource.get("category", ())),
            "status": frozenset({(STATUS_SYSTEMS.get(kind, ""), resource.get("status", ""))}),
            "identifier": frozenset(identifiers),
        },
        dates={
            "date": _span(resource, zone),
            "identified": _moment(resource.get("identifiedDateTime"), zone),
            "_lastUpdated": _moment(resource["meta"]["lastUpdated"], zone),
        },
    )


def _tokens(concepts: Iterable[Piece]) -> frozenset[Token]:
    return frozenset((each.get("system", ""), each["code"]) for one in concepts for each in one.get("coding", ()))


def _span(resource: Piece, zone: ZoneInfo) -> Span | None:
    """Of a Flag its period, open-ended while it is active; of others when they were true."""
    if "period" not in resource:
        return _moment(resource.get("effectiveDateTime"), zone)
    period = resource["period"]
    start = datetime.fromisoformat(period["start"])
    end = datetime.fromisoformat(period["end"]) if "end" in period else datetime.max.replace(tzinfo=start.tzinfo)
    return start, end


def _moment(text: str | None, zone: ZoneInfo) -> Span | None:
    if text is None:
        return None
    if "T" not in text:
        return wanted(text, zone).span
    at = datetime.fromisoformat(text)
    return at, at


def wants_calls(searched: Asked) -> bool:
    """Whether calls can be among what is asked for."""
    return all(
        any(each.rpartition("|")[2] in ("", calls.CATEGORY) for each in ors)
        for ors in searched.tokens.get("category", ())
    )
