"""Whether every answer on record was given, and the audit, Kafka and chart say the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from uuid import UUID

from refrain.contracts.events import Actor, AlertAction
from refrain.contracts.events.actions import Acknowledged, ReadBack, Reassigned, Snoozed
from tests.faults.people.answering import DONE, UNANSWERED
from tests.faults.people.complaints import Allowed, some
from tests.faults.people.evidence import Evidence
from tests.faults.people.lives import Life, family

BY_ANSWER = {"acknowledge": Acknowledged, "read_back": ReadBack, "snooze": Snoozed, "reassign": Reassigned}


def nothing_is_acknowledged_silently(evidence: Evidence, _: Allowed) -> Iterator[str]:
    """Each answer on record was given by that person, each that was confirmed is on record, and none twice."""
    asked: Counter[tuple[UUID, str, str]] = Counter()
    done: Counter[tuple[UUID, str, str]] = Counter()
    for request in evidence.requests:
        asked[request.alert, request.kind, request.person] += request.outcome in (DONE, UNANSWERED)
        done[request.alert, request.kind, request.person] += request.outcome == DONE
    noted: Counter[tuple[UUID, str, str]] = Counter()
    for action in evidence.audit:
        if kind := _answer(action):
            noted[action.alert, kind, action.actor.id] += 1
    silent, lost = [], []
    for (alert, kind, person), times in noted.items():
        by_read_back = asked[alert, "read_back", person] if kind == "acknowledge" else 0
        if times > asked[alert, kind, person] + by_read_back:
            silent.append(f"{alert} {kind} {person}")
    lost = [f"{alert} {kind} {person}" for (alert, kind, person), times in done.items()
            if noted[alert, kind, person] < times]  # fmt: skip
    yield from some("answers are on record that nobody gave", silent)
    yield from some("answers were confirmed and are not on record", lost)
    yield from _of_two_one_wins(evidence)
    yield from _answered_by_somebody(evidence)


def _answer(action: AlertAction) -> str:
    return next((kind for kind, body in BY_ANSWER.items() if isinstance(action.body, body)), "")


def _of_two_one_wins(evidence: Evidence) -> Iterator[str]:
    both = []
    for alert, actions in evidence.actions_of.items():
        taken = sum(isinstance(action.body, Acknowledged) for action in actions)
        if taken > evidence.lives[alert].openings:
            both.append(f"{alert} ({taken} times)")
    yield from some("alerts were taken on by more than one person", both)


def _answered_by_somebody(evidence: Evidence) -> Iterator[str]:
    silent = []
    for alert, thread in evidence.threads.items():
        kin = family(evidence.lives, [alert])
        people = {
            action.actor.id
            for one in kin
            for action in evidence.actions_of.get(one, ())
            if isinstance(action.body, Acknowledged) and action.actor.type == "person"
        }
        if thread.acknowledged_by and thread.acknowledged_by not in people:
            silent.append(alert)
    yield from some("alerts count as acknowledged without an answer", silent)


# --- on record ---


def actions_are_exact(evidence: Evidence, allowed: Allowed) -> Iterator[str]:
    """The audit is on Kafka, each action once by its id, numbered from one without a hole."""
    on_kafka: dict[UUID, AlertAction] = {}
    two = [action.event_id for action in evidence.published if on_kafka.setdefault(action.event_id, action) != action]
    allowed["action came on Kafka again"] += len(evidence.published) - len(on_kafka)
    audit = {action.event_id: action for action in evidence.audit}
    yield from some("action ids came with two contents", two)
    yield from some("actions are on Kafka and not in the audit", on_kafka.keys() - audit.keys())
    yield from some("actions are in the audit and not on Kafka", audit.keys() - on_kafka.keys())
    yield from some("actions are twice in the audit", _repeated(action.event_id for action in evidence.audit))
    other = [one for one in audit.keys() & on_kafka.keys() if audit[one] != on_kafka[one]]
    yield from some("actions say something else on Kafka than in the audit", other)
    holes = [
        alert
        for alert, actions in evidence.actions_of.items()
        if [action.number for action in actions] != list(range(1, len(actions) + 1))
    ]
    yield from some("alerts have holes in the numbers of their actions", holes)
    ours = [action.event_id for action in evidence.audit if _answer(action) and action.actor == Actor(
        type="system", id="notify")]  # fmt: skip
    yield from some("answers are on record as the system's own", ours)


def _repeated(ids: Iterable[UUID]) -> list[UUID]:
    return [one for one, times in Counter(ids).items() if times > 1]


def threads_are_where_the_facts_are(evidence: Evidence, _: Allowed) -> Iterator[str]:
    """Each alert has its thread, in the state that its events leave it in, and nothing is unsent that is due."""
    yield from some("alerts have no thread", evidence.lives.keys() - evidence.threads.keys())
    yield from some("threads are of alerts that nobody raised", evidence.threads.keys() - evidence.lives.keys())
    known = evidence.lives.keys() & evidence.threads.keys()
    wrong = [
        f"{alert} {evidence.threads[alert].fact_state} instead of {evidence.lives[alert].state}"
        for alert in known
        if evidence.threads[alert].fact_state not in _may_stand(evidence, evidence.lives[alert])
    ]
    yield from some("threads stand elsewhere than their alert", wrong)
    unsent = [
        delivery.message.delivery
        for delivery in evidence.deliveries.values()
        if delivery.state == "waiting" and delivery.message.not_before.timestamp() < evidence.ended_at
    ]
    yield from some("messages are due and unsent", unsent)


def _may_stand(evidence: Evidence, life: Life) -> set[str]:
    """As its own events say; an alert that was superseded is taken back with the one that took over."""
    heir = evidence.lives.get(life.successor) if life.successor else None
    return {life.state, *(_may_stand(evidence, heir) - {"open"} if heir else ())}


def chart_shows_what_is(evidence: Evidence, _: Allowed) -> Iterator[str]:
    """What two replicas read between kills is what a rebuild reads, and says of each alert what notify says."""
    if evidence.read_model != evidence.rebuilt:
        yield "the read model of chart is not what a rebuild makes of Kafka"
    yield from some("alerts are not on chart", evidence.lives.keys() - evidence.shown.keys())
    other = []
    for alert, thread in evidence.threads.items():
        row = evidence.shown.get(alert)
        if row is None or not thread.live:
            continue
        says = (row.state, row.number, row.assigned_to, row.waiting, row.acknowledged_by)
        is_ = (thread.state, thread.number, thread.assigned_to, thread.waiting, thread.acknowledged_by)
        if says != is_ and (row.number or thread.number):
            other.append(f"{alert} {says} instead of {is_}")
    yield from some("alerts stand elsewhere on chart than at notify", other)
