"""One batch of facts, patient by patient: load, decide, commit; and again when another worker was quicker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic

from refrain.contracts.events import Event
from refrain.contracts.steps import Decision, Output, Step
from refrain.runtime.incoming import Arrived, Poison
from refrain.runtime.known import Change, Conflict, Issued, Known, Unreadable
from refrain.runtime.ledger import Ledger

Finish = Callable[[Known[Issued], Decision[Issued]], Decision[Issued]]
"""What a service adds to a decision from its ledger; see :func:`as_decided`."""


def as_decided(_: Known[Issued], decision: Decision[Issued]) -> Decision[Issued]:
    """Add nothing."""
    return decision


Whole = Callable[[Sequence[Event]], bool]
"""Whether a patient's facts can be judged, or are half of what an engine before this one decided."""


def always(_: Sequence[Event]) -> bool:
    """Every set of facts can be judged."""
    return True


@dataclass(frozen=True, slots=True)
class Settled:
    """What a batch came to. ``patients`` may have unsent outputs, also where nothing was new."""

    patients: frozenset[str]
    poison: tuple[Poison, ...]
    outputs: tuple[Output, ...]
    new: frozenset[str]
    """Places of the records whose fact was not known before; what is neither new nor poison was a repetition."""


@dataclass(frozen=True, slots=True)
class Decider(Generic[Issued]):
    """A pure step around a ledger. Blocking; run it in a thread."""

    service: str
    ledger: Ledger[Issued]
    step: Step[Issued]
    finish: Finish[Issued] = as_decided
    whole: Whole = always
    """Facts that are not whole are kept and nothing is told, until the rest comes or turns out to be unreadable."""

    def settle(self, facts: Sequence[Arrived], unreadable: Sequence[Poison]) -> Settled:
        """Commit what these facts decide. A repeated batch commits nothing and gives the same patients.

        A step that raises makes dead letters of that patient's new facts only. What SQL raises is passed on.
        """
        by_patient: dict[str, list[Arrived]] = {letter.patient: [] for letter in unreadable}
        for arrived in facts:
            by_patient.setdefault(arrived.patient, []).append(arrived)
        redriven = {arrived.record.redrives for arrived in facts} - {""}
        while True:
            known = {key: held.without(redriven) for key, held in self.ledger.load(by_patient).items()}
            changes: list[Change[Issued]] = []
            poison, new = list(unreadable), set[str]()
            for patient, arrivals in by_patient.items():
                fresh = newest(known[patient], arrivals)
                broken = bool(known[patient].unreadable) or any(letter.patient == patient for letter in unreadable)
                change, refused = self._decide(patient, known[patient], fresh, broken)
                poison.extend(refused)
                if change:
                    changes.append(change)
                    new |= {one.record.place for one in fresh} - {letter.record.place for letter in refused}
            recovered = redriven - {letter.record.redrives for letter in poison}
            try:
                self.ledger.commit(changes, [self._unreadable(letter) for letter in poison], recovered)
            except Conflict:
                continue
            outputs = tuple(output for change in changes for output in change.outputs)
            return Settled(frozenset(by_patient), tuple(poison), outputs, frozenset(new))

    def _decide(
        self, patient: str, known: Known[Issued], new: Sequence[Arrived], broken: bool
    ) -> tuple[Change[Issued] | None, list[Poison]]:
        """All new facts at once; when that fails one by one, so that only the guilty ones are refused."""
        try:
            return self._fold(patient, known, new, broken), []
        except Exception:  # noqa: BLE001 - a pure step has no transient failures: it is about these facts
            return self._one_by_one(patient, known, new, broken)

    def _one_by_one(
        self, patient: str, known: Known[Issued], new: Sequence[Arrived], broken: bool
    ) -> tuple[Change[Issued] | None, list[Poison]]:
        accepted: list[Arrived] = []
        refused: list[Poison] = []
        for arrived in new:
            try:
                self._fold(patient, known, [*accepted, arrived], broken)
                accepted.append(arrived)
            except Exception as error:  # noqa: BLE001 - as above
                refused.append(Poison(arrived.record, type(error).__name__, "step"))
        return self._fold(patient, known, accepted, broken=True), refused

    def _fold(self, patient: str, known: Known[Issued], new: Sequence[Arrived], broken: bool) -> Change[Issued] | None:
        """What these facts change. ``broken``: what is missing of them is a dead letter and not on its way."""
        facts = {**known.facts, **{arrived.fact.place: arrived.fact for arrived in new}}
        events: list[Event] = [fact.event for fact in facts.values()]
        whole = self.whole(events)
        if not new and (whole or not broken):
            return None
        decision = self.step(events, known.issued, [arrived.fact.event for arrived in new])
        decision = self.finish(known, decision) if whole or broken else Decision(known.issued, ())
        return Change(patient, known, tuple(arrived.new for arrived in new), decision.issued, decision.outputs)

    def _unreadable(self, letter: Poison) -> Unreadable:
        return Unreadable(letter.patient, letter.record_id(self.service), letter.cause)


def newest(known: Known[Issued], arrivals: Iterable[Arrived]) -> list[Arrived]:
    """The arrivals that the ledger does not hold in this or a later revision; one of each subject, in order."""
    found: dict[tuple[str, str], Arrived] = {}
    for arrived in arrivals:
        place = arrived.fact.place
        held = known.facts.get(place)
        if held is not None and held.rank >= arrived.fact.rank:
            continue
        other = found.get(place)
        if other is None or other.fact.rank < arrived.fact.rank:
            found[place] = arrived
    return list(found.values())
