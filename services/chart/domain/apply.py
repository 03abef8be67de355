"""chart's pure step for results: of each version the newest reading and flags, of each result the version that counts.

Everything is decided by translation, revision and issue time, never by arrival: the same set of records gives the same
rows. Which version counts is what flagging says; a version that flagging has not seen yet counts by the same order
(:mod:`refrain.clinical.versions`) and is marked as awaiting its flags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from refrain.clinical.analytes import CATALOGUE
from refrain.clinical.statuses import DEFINITIVE_RANK, RANK, TAKES_BACK_RANK
from refrain.clinical.versions import order_key, standing
from refrain.contracts.events import FlaggedObservation, FlaggedReport, LabReport, Observation, Processing
from services.chart.domain.views import ResultRow, ResultState

POSTED_WRONGLY = "W"
"""OBX-11: posted for the wrong patient, for instance; off the patient's screen (clinical.md 5.2)."""


@dataclass(frozen=True, slots=True)
class KnownVersion:
    """One version of a result: intake's newest reading, and flagging's newest word about it. One of them is there."""

    key: str
    processing: Processing
    first_at: datetime
    newest_at: datetime
    sender: str
    report: UUID
    translation: int | None = None
    observation: Observation | None = None
    flag_order: tuple[int, int, str] | None = None
    """Translation, revision and event id of the flagged report; the highest counts (answers 9 and 10)."""
    flagged: FlaggedObservation | None = None

    @property
    def seen(self) -> Observation:
        """What is shown: flagging's reading with its repairs and reviews, unless intake has a newer one."""
        if self.flagged is not None and not self.awaiting:
            return self.flagged.observation
        return self.received

    @property
    def received(self) -> Observation:
        """As intake published it; as flagging passed it on while that is all there is."""
        observation = self.observation or (self.flagged.observation if self.flagged else None)
        if observation is None:
            raise ValueError("a version without a record")
        return observation

    @property
    def id(self) -> UUID:
        return self.received.version

    @property
    def awaiting(self) -> bool:
        """Flagging has not spoken about the newest reading of this version."""
        return self.flag_order is None or (self.translation is not None and self.flag_order[0] < self.translation)

    @property
    def with_value(self) -> bool:
        """Whether it said something that stood as a result."""
        rank = RANK[self.received.status_class]
        return RANK["pending"] < rank < TAKES_BACK_RANK and self.received.value.missing != "empty"


def versions_in(event: LabReport | FlaggedReport) -> list[KnownVersion]:
    """Each version that a record brings, as if nothing else was known of it."""
    at = event.recorded_at
    if isinstance(event, LabReport):
        return [
            KnownVersion(
                event.patient.key,
                event.processing,
                at,
                at,
                event.sender,
                event.event_id,
                event.translation,
                observation,
            )
            for observation in event.observations
        ]
    order = event.translation, event.revision, str(event.event_id)
    return [
        KnownVersion(
            event.patient.key, event.processing, at, at, event.sender, event.report, flag_order=order, flagged=flagged
        )
        for flagged in event.observations
    ]


def merged(one: KnownVersion, other: KnownVersion) -> KnownVersion:
    """What two records say about one version; the order of the two does not matter."""
    readings = [each for each in (one, other) if each.translation is not None]
    flags = [each for each in (one, other) if each.flag_order is not None]
    reading = max(readings, key=lambda each: (each.translation or 0, str(each.report)), default=None)
    flag = max(flags, key=lambda each: each.flag_order or (0, 0, ""), default=None)
    origin = reading or flag or one
    return replace(
        origin,
        first_at=min(one.first_at, other.first_at),
        newest_at=max(one.newest_at, other.newest_at),
        flag_order=flag.flag_order if flag else None,
        flagged=flag.flagged if flag else None,
    )


def result_of(versions: Sequence[KnownVersion]) -> ResultRow:
    """The row of one result from all its versions, at least one, in any order."""
    chain = sorted(versions, key=lambda version: order_key(version.received))
    counting, shown, moved = _counting(chain)
    state = "moved" if moved else _state(shown, chain)
    return _row(counting, shown, state, chain)


def _counting(chain: Sequence[KnownVersion]) -> tuple[KnownVersion, Observation, bool]:
    """The version that counts, with the value it stands for; and whether flagging counts it under another result."""
    found = standing(version.received for version in chain)
    if found is None:
        return chain[-1], chain[-1].seen, False
    top = next(version for version in chain if version.id == found.version.version)
    if top.awaiting or top.flagged is None:
        return top, found.version, False
    if top.flagged.current:
        return top, top.seen, False
    others = [version for version in chain if not version.awaiting and version.flagged and version.flagged.current]
    if others:
        best = max(others, key=lambda version: version.flag_order or (0, 0, ""))
        return best, best.seen, False
    return top, top.seen, True


def _state(shown: Observation, chain: Sequence[KnownVersion]) -> ResultState:
    match shown.status_class:
        case "none":
            return "order_text"
        case "pending":
            return "awaited"
        case "unobtainable":
            return "unobtainable"
        case "withdrawn":
            said = [version for version in chain if version.with_value]
            since = max((version.received.issued_at for version in said), default=None)
            wrongly = any(
                version.received.status.strip() == POSTED_WRONGLY
                and (since is None or version.received.issued_at >= since)
                for version in chain
            )
            return "removed" if wrongly else "withdrawn"
    return "current"


def _row(counting: KnownVersion, shown: Observation, state: ResultState, chain: Sequence[KnownVersion]) -> ResultRow:
    flagged = None if counting.awaiting else counting.flagged
    last = _last_with_value(chain) if state in ("withdrawn", "unobtainable", "removed") else None
    valued = last.seen if last is not None and shown.value.missing else shown
    read = _read_by_intake(shown) if flagged is None else _read_by_flagging(flagged)
    if state != "current":
        read |= {"number": None, "comparator": None}
    entry = CATALOGUE.get(shown.analyte) if shown.analyte else None
    return ResultRow(
        key=counting.key, result=shown.result, version=counting.id, report=counting.report,
        processing=counting.processing, state=state, analyte=shown.analyte,
        name=entry.name if entry else shown.name or shown.code, code=shown.code, system=shown.system,
        status=shown.status, status_class=shown.status_class, issued_at=shown.issued_at,
        collected_at=shown.collected_at, time_precision=shown.time_precision, specimen=shown.specimen,
        method=shown.method, lab=shown.lab, value_kind=valued.value.kind, text=words_of(valued),
        range_text=valued.range.text, review=shown.repaired.review if shown.repaired else None,
        repair_rule=shown.repaired.repair_rule_id if shown.repaired else None, versions=len(chain),
        corrected=_corrected(counting, valued, chain), recorded_at=counting.newest_at, **read,
    )  # fmt: skip


def _read_by_flagging(flagged: FlaggedObservation) -> dict[str, Any]:
    return {
        "awaiting_flags": False, "series": flagged.series, "number": flagged.number, "unit": flagged.unit,
        "comparator": flagged.comparator, "nominal": flagged.nominal, "low": flagged.low, "high": flagged.high,
        "low_inclusive": flagged.low_inclusive, "high_inclusive": flagged.high_inclusive,
        "range_source": flagged.range_source, "interpretation": flagged.interpretation, "usable": flagged.usable,
        "held": flagged.held, "quality": flagged.quality, "caveats": flagged.caveats, "tags": flagged.tags,
        "reasons": flagged.reasons, "critical": flagged.critical, "change_percent": flagged.change_percent,
        "previous": flagged.previous,
    }  # fmt: skip


def _read_by_intake(shown: Observation) -> dict[str, Any]:
    """Before flagging speaks nothing is said of normality, and a repaired number is not believed yet."""
    believed = shown.canonical if shown.value.kind in ("quantity", "censored") and shown.repaired is None else None
    return {
        "awaiting_flags": True, "series": None, "number": believed.number if believed else None,
        "unit": believed.unit if believed else None, "comparator": shown.value.comparator if believed else None,
        "nominal": None, "low": None, "high": None, "low_inclusive": None, "high_inclusive": None,
        "range_source": "none", "interpretation": (), "usable": False, "held": (), "quality": shown.quality,
        "caveats": (), "tags": (), "reasons": (), "critical": None, "change_percent": None, "previous": None,
    }  # fmt: skip


def words_of(observation: Observation) -> str:
    """The value as received, with its unit."""
    return f"{observation.value.text} {observation.value.unit_raw}".strip()


def _last_with_value(chain: Sequence[KnownVersion]) -> KnownVersion | None:
    return next((version for version in reversed(chain) if version.with_value), None)


def _corrected(counting: KnownVersion, valued: Observation, chain: Sequence[KnownVersion]) -> bool:
    """Whether an earlier definitive version had another value; a preliminary one that changed is no correction."""
    return any(
        version.id != counting.id
        and version.with_value
        and RANK[version.received.status_class] >= DEFINITIVE_RANK
        and words_of(version.received) != words_of(valued)
        for version in chain
    )
