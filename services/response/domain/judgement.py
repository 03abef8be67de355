"""The pure step of response: facts and what was issued in, a new snapshot out when the course says something else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from pydantic import Field

from refrain.contracts.events import Axis, AxisChange, CareEvent, Event, FlaggedReport, ResponseAssessed, Wire
from refrain.contracts.ids import derive
from refrain.contracts.site import SiteSettings
from refrain.contracts.steps import Decision, Output
from refrain.contracts.topics import RESPONSES
from services.response.domain.course import assess

NOT_COURSE = frozenset({"event_id", "recorded_at", "trace", "caused_by", "revision", "changes"})
"""Fields that do not say how the course stands."""


WORDS = {
    "NOT_ASSESSABLE": "not assessable",
    "INCOMPLETE": "incomplete",
    "INDETERMINATE": "indeterminate",
    "NE": "not evaluated",
}


class ResponseIssued(Wire):
    """What everybody was told last about one patient. The defaults say: nothing yet."""

    content: str = ""
    """Digest of the last snapshot without revision and changes."""
    axes: dict[str, str] = Field(default={})
    """``line:AXIS`` to the axis in words, to say what a new snapshot changes."""
    settings: str = ""


def classify(
    facts: Sequence[FlaggedReport | CareEvent],
    issued: ResponseIssued,
    cause: Sequence[Event],
    site: SiteSettings,
    until: datetime | None = None,
) -> Decision[ResponseIssued]:
    """Issue a new snapshot if the facts now say something else than what was issued.

    ``facts`` are all of the patient, ``cause`` the new ones (they name trace and recording time). The same
    facts in any order give the same snapshot; a fact that changes nothing gives no output.
    ``until`` asks how things stand at a time after the newest fact: the stream has no clock and never does.
    """
    snapshot = assess(facts, site, until)
    if snapshot is None:
        return Decision(issued, ())
    content = str(derive("course", snapshot.model_dump(mode="json", exclude=set(NOT_COURSE))))
    if content == issued.content:
        return Decision(issued, ())
    words = axes_in_words(snapshot)
    newest = cause or facts
    event = snapshot.model_copy(
        update={
            "changes": tuple(_changes(snapshot, issued.axes, words)),
            "caused_by": tuple(sorted({fact.event_id for fact in cause})),
            "trace": max((fact.recorded_at, fact.trace) for fact in newest)[1],
            "recorded_at": max(fact.recorded_at for fact in newest),
        }
    ).identified()
    return Decision(ResponseIssued(content=content, axes=words, settings=site.hash), (Output(RESPONSES, event),))


def axes_in_words(snapshot: ResponseAssessed) -> dict[str, str]:
    """``line:AXIS`` to e.g. ``CRV confirmed`` or ``NEH, candidate CRH, incomplete: URINE_IFE_MISSING``."""
    return {
        f"{line.line}:{name}": in_words(axis) for line in snapshot.lines for name, axis in sorted(line.axes.items())
    }


def in_words(axis: Axis) -> str:
    """An axis as one line of text. A candidate is never shown as a plain call (clinical.md 10)."""
    parts = [axis.call or "no call"]
    if axis.assessability == "ASSESSED" and axis.confirmation != "not_required":
        parts[0] += f" {axis.confirmation}"
    if axis.candidate:
        parts.append(f"candidate {axis.candidate}")
    if axis.assessability != "ASSESSED":
        reasons = f": {', '.join(axis.reasons)}" if axis.reasons else ""
        parts.append(WORDS[axis.assessability] + reasons)
    return ", ".join(parts)


def _changes(snapshot: ResponseAssessed, before: dict[str, str], after: dict[str, str]) -> Iterator[AxisChange]:
    for line in snapshot.lines:
        for name, axis in sorted(line.axes.items()):
            key = f"{line.line}:{name}"
            if before.get(key, "") != after[key]:
                yield AxisChange(line=line.line, axis=axis.axis, before=before.get(key, ""), after=after[key])
