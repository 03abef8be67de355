"""The structure of an ORU: one patient, then groups of ``[ORC] OBR [NTE] {OBX [NTE]} [SPM {OBX}]``.

SPM stands after its results, so a group is read before anything in it is translated (feeds.md 6.5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from services.intake.domain.er7 import Message, Segment
from services.intake.domain.reasons import Rejected

MAX_RESULTS = 5_000
"""OBX of one message (feeds.md 4, our choice)."""


@dataclass(slots=True)
class Result:
    """One OBX and the comments after it."""

    obx: Segment
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class OrderGroup:
    """One order with its results, its comments and its specimens."""

    obr: Segment
    orc: Segment | None = None
    notes: list[str] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    specimens: list[Segment] = field(default_factory=list)
    about_specimen: list[Segment] = field(default_factory=list)
    """OBX after SPM: they describe the specimen and are no results."""

    @property
    def cancelled(self) -> bool:
        """ORC-1 ``CA`` or OBR-25 ``X``."""
        return self.obr.text(25) == "X" or (self.orc is not None and self.orc.text(1) == "CA")


@dataclass(slots=True)
class Structure:
    """A result message by its parts."""

    pid: Segment
    orders: list[OrderGroup] = field(default_factory=list)
    strays: list[Segment] = field(default_factory=list)
    """OBX that stand before the first order."""


def structure_of(message: Message) -> Structure:
    """Read the groups. Rejected when there is no patient, more than one, or too many results."""
    pids = [segment for segment in message.segments if segment.name == "PID"]
    if not pids:
        raise Rejected("no_patient", "PID[1]")
    if len({pid.raw(3) for pid in pids}) > 1:
        raise Rejected("several_patients", pids[1].place)
    if sum(segment.name == "OBX" for segment in message.segments) > MAX_RESULTS:
        raise Rejected("too_many_results", "OBX")
    return _Grouping(pids[0]).read(message.segments)


class _Grouping:
    def __init__(self, pid: Segment) -> None:
        self.structure = Structure(pid)
        self.orc: Segment | None = None
        self.group: OrderGroup | None = None
        self.comments: list[str] | None = None
        """Where a comment belongs: the result, else the order; None before the first order."""

    def read(self, segments: Iterable[Segment]) -> Structure:
        for segment in segments:
            match segment.name:
                case "ORC":
                    self.orc, self.group, self.comments = segment, None, None
                case "OBR":
                    self.group = OrderGroup(segment, self.orc)
                    self.structure.orders.append(self.group)
                    self.orc, self.comments = None, self.group.notes
                case "OBX":
                    self._result(segment)
                case "SPM" if self.group is not None:
                    self.group.specimens.append(segment)
                    self.comments = self.group.notes
                case "NTE" if self.comments is not None:
                    self.comments.extend(comments_of(segment))
        return self.structure

    def _result(self, obx: Segment) -> None:
        if self.group is None:
            self.structure.strays.append(obx)
        elif self.group.specimens:
            self.group.about_specimen.append(obx)
        else:
            result = Result(obx)
            self.group.results.append(result)
            self.comments = result.notes


def comments_of(nte: Segment) -> list[str]:
    """NTE-3, one text for each repetition that says something."""
    texts = ("^".join(components) for components in nte.repeated(3))
    return [text for text in texts if text.strip()]
