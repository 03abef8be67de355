"""The verdict of the people's run can fail: it has nothing to say of a run that went well, and finds each damage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from refrain.contracts.events import Actor, AlertAction
from refrain.contracts.events.actions import Acknowledged
from refrain.contracts.events.actions import Told as ToldAction
from tests.faults.people.evidence import Delivery, Evidence
from tests.faults.people.receivers import Accepted
from tests.faults.people.small import well_told
from tests.faults.people.verdict import judge

TOLD = well_told()


def wrong(evidence: Evidence) -> list[str]:
    """Names of the checks that complain."""
    return [sentence.partition(":")[0] for sentence in judge(evidence, Counter())]


def test_a_run_that_went_well_is_in_order() -> None:
    allowed: Counter[str] = Counter()
    assert judge(TOLD.evidence, allowed) == []
    assert allowed["person told of a retraction"] >= 1
    assert allowed["alert told under the id that it superseded"] == 1
    assert allowed["action came on Kafka again"] == 3


def never_taken(*alerts: UUID, occasion: str = "") -> Evidence:
    """No receiver took anything about these alerts, nobody says so, and nobody answered them."""
    there = TOLD.evidence
    gone = {
        delivery.key
        for delivery in there.deliveries.values()
        if delivery.message.alert in alerts and occasion in ("", delivery.message.occasion)
    }
    actions = [action for action in there.audit if getattr(action.body, "delivery", None) not in gone]
    kept = [one for one in there.accepted if one.key not in gone]
    requests = [request for request in there.requests if request.alert not in alerts]
    return replace(there, accepted=kept, requests=requests, audit=_numbered(actions), published=_numbered(actions))


def _numbered(actions: list[AlertAction]) -> list[AlertAction]:
    seen: Counter[UUID] = Counter()
    found = []
    for action in actions:
        seen[action.alert] += 1
        found.append(action.model_copy(update={"number": seen[action.alert]}))
    return found


def with_action(alert: UUID, body: Any, actor: Actor) -> Evidence:
    there = TOLD.evidence
    last = there.actions_of[alert][-1]
    more = last.model_copy(update={"number": last.number + 1, "actor": actor, "body": body, "event_id": uuid4()})
    return replace(there, audit=[*there.audit, more], published=[*there.published, more])


def also_taken(alert: UUID, person: str, occasion: Any) -> Evidence:
    """A receiver took one more message under a key of its own, for which there is a delivery and a ``told``."""
    there = TOLD.evidence
    like = next(
        one for one in there.deliveries.values() if one.message.alert == alert and one.message.occasion == occasion
    )
    key = uuid4()
    to = like.message.to.model_copy(update={"person": person})
    message = like.message.model_copy(update={"delivery": key, "to": to, "occasion": occasion})
    taken = Accepted(to.channel, person, key, (alert,), (occasion,), there.ended_at, answered=True)
    noted = with_action(
        alert,
        ToldAction(to=to, occasion=occasion, level=message.level, delivery=key),
        Actor(type="system", id="notify"),
    )
    return replace(
        noted, accepted=[*there.accepted, taken],
        deliveries={**there.deliveries, key: Delivery(message, "sent", key)},
    )  # fmt: skip


def of_thread(alert: UUID, **changes: Any) -> Evidence:
    there = TOLD.evidence
    thread = there.threads[alert].model_copy(update=changes)
    return replace(there, threads={**there.threads, alert: thread})


def with_delivery(**changes: Any) -> Evidence:
    there = TOLD.evidence
    key, delivery = next((key, one) for key, one in there.deliveries.items() if one.message.alert == TOLD.stands)
    return replace(there, deliveries={**there.deliveries, key: replace(delivery, **changes)})


BEN = Actor(type="person", id="ben")
TAKEN_ON = Acknowledged(reason="will_act", override=False)


@pytest.mark.parametrize(
    ("check", "damaged"),
    [
        pytest.param("everybody_is_told", lambda: never_taken(TOLD.stands), id="nobody was told of a P1"),
        pytest.param("everybody_is_told", lambda: never_taken(TOLD.quality), id="nor the laboratory"),
        pytest.param("everybody_is_told", lambda: never_taken(TOLD.superseded, TOLD.heir), id="under neither id"),
        pytest.param(
            "everybody_is_told", lambda: also_taken(TOLD.quality, "ana", "raised"), id="the ward about data quality"
        ),
        pytest.param("digests_are_told", lambda: never_taken(TOLD.notice), id="a notice in no digest"),
        pytest.param(
            "nobody_hears_of_a_test",
            lambda: _as_training(TOLD.stands),
            id="a test was told",
        ),
        pytest.param(
            "retractions_reach_who_was_told", lambda: never_taken(TOLD.withdrawn, occasion="retracted"), id="not aware"
        ),
        pytest.param("nobody_is_told_twice", lambda: also_taken(TOLD.stands, "ana", "raised"), id="two keys"),
        pytest.param("nobody_is_told_twice", lambda: also_taken(TOLD.stands, "ben", "escalated"), id="fired twice"),
        pytest.param("one_episode_is_told_once", lambda: also_taken(TOLD.heir, "ana", "raised"), id="two ids"),
        pytest.param("one_episode_is_told_once", lambda: _unanswered_and_again(), id="two ids, and it was not known"),
        pytest.param("keys_are_known", lambda: with_delivery(key=uuid4()), id="a key of nobody"),
        pytest.param(
            "nobody_is_said_to_be_told_who_was_not",
            lambda: replace(TOLD.evidence, accepted=TOLD.evidence.accepted[1:]),
            id="marked as sent before it was",
        ),
        pytest.param(
            "nothing_is_acknowledged_silently", lambda: replace(TOLD.evidence, requests=[]), id="an answer of nobody"
        ),
        pytest.param(
            "nothing_is_acknowledged_silently",
            lambda: with_action(TOLD.acknowledged, TAKEN_ON, BEN),
            id="two were first",
        ),
        pytest.param(
            "nothing_is_acknowledged_silently",
            lambda: _without_action(TOLD.acknowledged, "acknowledged"),
            id="an answer was lost",
        ),
        pytest.param(
            "nothing_is_acknowledged_silently", lambda: of_thread(TOLD.stands, acknowledged_by="ana"), id="by itself"
        ),
        pytest.param("actions_are_exact", lambda: _without_action(TOLD.stands, "told"), id="a hole"),
        pytest.param(
            "actions_are_exact", lambda: replace(TOLD.evidence, published=TOLD.evidence.audit[1:]), id="not on Kafka"
        ),
        pytest.param(
            "actions_are_exact",
            lambda: replace(TOLD.evidence, published=[*TOLD.evidence.audit, _other(TOLD.evidence.audit[0])]),
            id="one id, two contents",
        ),
        pytest.param(
            "actions_are_exact",
            lambda: replace(TOLD.evidence, audit=[*TOLD.evidence.audit, TOLD.evidence.audit[0]]),
            id="twice in the audit",
        ),
        pytest.param(
            "threads_are_where_the_facts_are", lambda: of_thread(TOLD.stands, fact_state="closed"), id="an event lost"
        ),
        pytest.param("threads_are_where_the_facts_are", lambda: with_delivery(state="waiting"), id="left unsent"),
        pytest.param("chart_shows_what_is", lambda: replace(TOLD.evidence, rebuilt="another"), id="not as rebuilt"),
        pytest.param("chart_shows_what_is", lambda: of_thread(TOLD.stands, state="delivered"), id="another state"),
        pytest.param("chart_shows_what_is", lambda: replace(TOLD.evidence, shown={}), id="not shown"),
    ],
)  # fmt: skip
def test_each_damage_is_found(check: str, damaged: Callable[[], Evidence]) -> None:
    assert check in wrong(damaged())


def _unanswered_and_again() -> Evidence:
    """The first try was taken and not answered, and the alert that took over came under a key of its own."""
    again = also_taken(TOLD.heir, "ana", "raised")
    audit = [action for action in again.audit if (action.alert, action.body.type) != (TOLD.superseded, "told")]
    return replace(again, audit=audit, published=audit)


def _as_training(alert: UUID) -> Evidence:
    there = TOLD.evidence
    issued = [
        replace(issue, event=issue.event.model_copy(update={"processing": "training"}))
        if issue.event.alert == alert
        else issue
        for issue in there.issued
    ]
    return replace(there, issued=issued)


def _without_action(alert: UUID, kind: str) -> Evidence:
    there = TOLD.evidence
    gone = next(action for action in there.audit if action.alert == alert and action.body.type == kind)
    audit = [action for action in there.audit if action is not gone]
    return replace(there, audit=audit, published=audit)


def _other(action: AlertAction) -> AlertAction:
    return action.model_copy(update={"assigned_to": "ben"})
