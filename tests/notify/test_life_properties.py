"""Whatever happens, in whatever order: nobody is forgotten, only people answer, and what was wrong is taken back.

The alert events come from the real reconciliation over random findings, so that alerts are raised, amended, closed,
superseded and retracted together as the engines do it; people, channels and timers behave at random in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from hypothesis import given, note
from hypothesis import strategies as st

from refrain.contracts.alerting import AnyAlert, Context, Finding, IssuedAlerts, reconcile
from refrain.contracts.events import (
    AlertAction,
    CareEvent,
    Evidence,
    Infection,
    Processing,
    RuleRef,
    Tier,
)
from refrain.contracts.events.actions import Acknowledged, Inherited, ReadBack, Reopened
from services.notify.domain.facts import fact_state
from services.notify.domain.life import Issued, Outcome, Refused, Woke, advance
from services.notify.domain.tellings import ASKS
from services.notify.domain.thread import Thread
from tests.notify.living import (
    DQ,
    P1,
    P2_24,
    P2_72,
    P3,
    PATIENT,
    TUESDAY,
    World,
    an_id,
    closed,
    raised,
    retracted,
    roster,
)

CLINICAL: list[tuple[Tier, int | None]] = [("P1", None), ("P2", 24), ("P2", 72), ("P3", None)]
CAUSE = CareEvent(
    patient=PATIENT, occurred_at=TUESDAY, recorded_at=TUESDAY, trace="t", key="k",
    body=Infection(onset=TUESDAY.date()),
).identified()  # fmt: skip


def piece(opener: str, version: int) -> Evidence:
    return Evidence(
        result=an_id("result", opener), version=an_id("version", opener, version), analyte="VEGF",
        text=f"{100 + version} pg/mL", collected_at=TUESDAY,
    )  # fmt: skip


@st.composite
def findings(draw: st.DrawFn) -> tuple[list[Finding], dict[str, int]]:
    """What one moment's facts call for: at most a watch and its confirmation of one episode, and a data question."""
    versions = {opener: draw(st.integers(0, 1)) for opener in ("a", "b")}
    wanted = []
    for kind in ("WATCH", "CONFIRMED", "DQ_UNIT"):
        if not draw(st.booleans()):
            continue
        opener = draw(st.sampled_from(["a", "b"]))
        tier, hours = ("DQ", None) if kind == "DQ_UNIT" else draw(st.sampled_from(CLINICAL))
        wanted.append(
            Finding(
                kind=kind, tier=tier, due_hours=hours, subject="IGG" if kind == "DQ_UNIT" else "VEGF",
                opener=str(an_id("result", opener)), text=draw(st.sampled_from(["look", "look again"])), at=TUESDAY,
                rule=RuleRef(id="R-1", version="1.0.0"), evidence=(piece(opener, versions[opener]),), line=1,
                episode="one", state=draw(st.sampled_from(["open", "open", "closed"])), closed_because="it passed",
                covers=(str(an_id("result", "b")),) if opener == "a" else (), notice=draw(st.integers(0, 5)) == 0,
            )
        )  # fmt: skip
    return wanted, versions


@st.composite
def courses(draw: st.DrawFn, processing: Processing = "live") -> list[AnyAlert]:
    """Alert events of one patient, in the order in which their topic carries them."""
    issued: IssuedAlerts = {}
    events: list[AnyAlert] = []
    context = Context(patient=PATIENT, cause=(CAUSE,), processing=processing)
    for wanted, versions in draw(st.lists(findings(), min_size=1, max_size=8)):
        now = {an_id("result", opener): piece(opener, version) for opener, version in versions.items()}
        issued, fresh = reconcile(wanted, issued, now, context)
        events += fresh
    return events


def check(before: Thread | None, outcome: Outcome) -> None:
    """What holds after every single step of every thread."""
    after, actions = outcome.thread, outcome.actions
    first = before.number if before else 0
    assert [action.number for action in actions] == list(range(first + 1, first + 1 + len(actions)))
    assert after.number == first + len(actions)
    if actions:
        last = actions[-1]
        assert (last.state, last.due_at, last.assigned_to) == (after.state, after.due_at, after.assigned_to)
    assert not after.waiting or after.wake_at is not None, "somebody waits and nobody wakes"
    assert not after.ended or (after.wake_at, after.due_at) == (None, None)
    sunk = before is not None and after.level < before.level
    assert not sunk or any(isinstance(action.body, Reopened) for action in actions)
    on_their_way = {message.delivery for message in after.unsent}
    assert {message.delivery for message in outcome.messages} <= on_their_way
    assert not on_their_way & set(outcome.withdrawn)
    assert after.waiting or after.state not in ("acknowledged", "read_back") or after.acknowledged_by
    assert not (after.ended or (after.state in ("acknowledged", "read_back") and after.tier != "P1")) or all(
        message.occasion not in ASKS or message.occasion == "reassigned" for message in after.unsent
    )


def check_messages(world: World, _: Thread | None, outcome: Outcome) -> None:
    """A P1 goes at once, others keep to quiet hours, and data quality stays in the laboratory."""
    for message in outcome.messages:
        person, channel = message.to.person, message.to.channel
        team = world.roster.people[person].team
        assert team == "laboratory" or outcome.thread.tier != "DQ"
        if message.tier == "P1":
            assert message.round or message.not_before <= world.now + timedelta(seconds=2)
        else:
            quiet = world.roster.quiet_until(person, channel, message.tier, message.not_before)
            assert quiet == message.not_before


class Ledger:
    """Checks over the whole run: delivery ids, and who answered."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.deliveries: set[object] = set()
        self.answered_by: dict[object, str] = {}

    def __call__(self, before: Thread | None, outcome: Outcome) -> None:
        check(before, outcome)
        check_messages(self.world, before, outcome)
        fresh = {message.delivery for message in outcome.messages}
        assert len(fresh) == len(outcome.messages)
        assert not fresh & self.deliveries
        self.deliveries |= fresh
        for action in outcome.actions:
            self._answer(action)
        thread = outcome.thread
        if thread.state in ("acknowledged", "read_back"):
            assert self.answered_by[thread.alert] == thread.acknowledged_by

    def _answer(self, action: AlertAction) -> None:
        match action.body:
            case Acknowledged() | ReadBack():
                assert action.actor.type == "person"
                self.answered_by.setdefault(action.alert, action.actor.id)
            case Reopened():
                self.answered_by.pop(action.alert, None)
            case Inherited(predecessor=old) if old in self.answered_by:
                self.answered_by.setdefault(action.alert, self.answered_by[old])


def a_world(start: datetime = TUESDAY) -> World:
    world = World(now=start)
    world.watch = Ledger(world)
    return world


PEOPLE = ["ana", "ben", "cho", "dai", "zoe"]


def let_happen(
    world: World,
    data: st.DataObject,
    events: list[AnyAlert],
    seen: list[AnyAlert],
    kinds: Sequence[str] = ("event", "event", "event", "old", "time", "person", "late", "timer", "try"),
) -> None:
    """One random thing: the next event or an old one, time, a person, a channel, a late message, a stray timer, a try
    of a channel that never answers."""
    what = data.draw(st.sampled_from(kinds))
    note(f"{world.now:%d %H:%M} {what}")
    if what == "event" and events:
        seen.append(events.pop(0))
        world.issue(seen[-1])
    elif what == "old" and seen:
        old = data.draw(st.sampled_from(seen))
        assert world.issue(old) == ()
    elif what == "time":
        down = data.draw(st.sampled_from([frozenset(), frozenset({"page"}), frozenset({"page", "mail", "chat"})]))
        hours = data.draw(st.sampled_from([0.01, 0.3, 3, 30, 200]))
        world.passes(hours=hours, works=lambda message: message.to.channel not in down)
    elif what == "late" and world.withdrawn:
        late = data.draw(st.sampled_from(sorted(world.withdrawn.values(), key=lambda one: str(one.delivery))))
        world.takes(late)
    elif what == "timer" and world.threads:
        world.happens(Woke(world.now), data.draw(st.sampled_from(sorted(world.threads))))
    elif what == "try" and (due := [one for one in world.waiting.values() if one.not_before <= world.now]):
        tried = data.draw(st.sampled_from(sorted(due, key=lambda one: str(one.delivery))))
        world.tries(tried, took=data.draw(st.booleans()))
    elif what == "person" and world.threads:
        answer(world, data)


def answer(world: World, data: st.DataObject) -> None:
    """Somebody answers some alert, whether it makes sense or not."""
    alert, person = data.draw(st.sampled_from(sorted(world.threads))), data.draw(st.sampled_from(PEOPLE))
    hours, to = data.draw(st.sampled_from([1, 7, 20])), data.draw(st.sampled_from(PEOPLE))
    ways: dict[str, Callable[[], object]] = {
        "acknowledge": partial(world.acknowledges, person, alert),
        "read back": partial(world.reads_back, person, alert),
        "snooze": partial(world.snoozes, person, alert, hours=hours),
        "reassign": partial(world.reassigns, to, person, alert),
    }  # fmt: skip
    before = world.threads[alert]
    try:
        ways[data.draw(st.sampled_from(sorted(ways)))]()
    except Refused:
        assert world.threads[alert] == before


starts = st.integers(0, 24 * 365).map(lambda hours: TUESDAY + timedelta(hours=hours))


@given(start=starts, events=courses(), data=st.data())
def test_whatever_happens_every_step_keeps_its_promises_and_nobody_is_forgotten(
    start: datetime, events: list[AnyAlert], data: st.DataObject
) -> None:
    world, seen = a_world(start), list[AnyAlert]()
    for _ in range(data.draw(st.integers(1, 25))):
        let_happen(world, data, events, seen)
    world.issue(*events)
    world.passes(days=20)
    for thread in world.threads.values():
        if thread.fact_state == "open" and not thread.answered:
            assert any(entry.occasion != "retracted" for entry in thread.told), "nobody was told of an open alert"


@given(start=starts, data=st.data())
def test_everybody_who_was_told_hears_of_the_retraction_exactly_once(start: datetime, data: st.DataObject) -> None:
    tier = data.draw(st.sampled_from([P1, P2_24, P2_72, P3, DQ]))
    other = data.draw(st.sampled_from([None, tier if tier == DQ else P2_72, tier]))
    world = a_world(start)
    world.issue(raised("a", **tier))
    if other:
        world.issue(raised("b", **other))
    for _ in range(data.draw(st.integers(0, 8))):
        let_happen(world, data, [], [])
    if data.draw(st.booleans()):
        world.issue(raised("c", **tier), closed("a", **tier, superseded_by=an_id("alert", "c")))
    for _ in range(data.draw(st.integers(0, 8))):
        let_happen(world, data, [], [])
    head = "c" if an_id("alert", "c") in world.threads else "a"
    informed = {message.to.person for message in world.taken} | _on_roster(world)
    world.forget()
    world.issue(retracted(head, **tier, with_alerts=(an_id("alert", "b"),) if other else ()))
    for _ in range(data.draw(st.integers(0, 8))):
        let_happen(world, data, [], [])
    world.passes(days=20)
    told = {person: _told(world, person) for person in {message.to.person for message in world.taken}}
    late = {person for person, occasions in told.items() if set(occasions) != {"retracted"}}
    assert informed | late <= set(told) <= informed | late | world.perhaps
    assert all(occasions[-1] == "retracted" for occasions in told.values())
    assert all(told[person] == ["retracted"] for person in informed - late), "two alerts of an episode: one message"
    for person in late:  # each late message is taken back, and nothing twice
        assert told[person].count("retracted") <= 1 + len(told[person]) - told[person].count("retracted")
    assert not world.waiting


def _told(world: World, person: str) -> list[str]:
    return [message.occasion for message in world.taken if message.to.person == person]


@given(start=starts, data=st.data())
def test_nobody_is_told_of_an_episode_twice_when_an_earlier_result_takes_it_over(
    start: datetime, data: st.DataObject
) -> None:
    tier = data.draw(st.sampled_from([P1, P2_24, P2_72, P3, DQ]))
    world = a_world(start)
    world.issue(raised("a", **tier))
    for _ in range(data.draw(st.integers(0, 5))):
        passes_or_answers(world, data)
    world.issue(raised("b", **tier), closed("a", **tier, superseded_by=an_id("alert", "b")))
    for _ in range(data.draw(st.integers(0, 5))):
        passes_or_answers(world, data)
    world.passes(days=20)
    first = [message.to.person for message in world.taken if message.occasion in ("raised", "digest")]
    assert len(first) == len(set(first))
    heir = world.thread("b")
    assert heir.told or heir.answered
    assert not world.thread("a").told


def passes_or_answers(world: World, data: st.DataObject) -> None:
    """Every channel works, or was tried and does not answer: what it gives up may be heard over another one too."""
    if data.draw(st.booleans()):
        world.passes(hours=data.draw(st.sampled_from([0.01, 0.3, 3, 30, 200])))
    else:
        let_happen(world, data, [], [], ("person", "try"))


@given(data=st.data())
def test_whoever_was_to_hear_hears_though_an_earlier_result_takes_the_episode_over_meanwhile(
    data: st.DataObject,
) -> None:
    """With and without it the same people hear the same, but for when. Nobody is away, the clocks change."""
    tier = data.draw(st.sampled_from([P1, P2_24, P2_72, P3, DQ]))
    hours = [
        data.draw(st.sampled_from([0, 0.25, 0.5, 1, 24, 48, 72, 144])) for _ in range(data.draw(st.integers(0, 3)))
    ]
    seconds, given_to = data.draw(st.integers(0, 30)), data.draw(st.sampled_from(["", "ben", "cho", "dai"]))
    start = TUESDAY + timedelta(hours=data.draw(st.integers(0, 14 * 24)))
    plain, other = World(now=start), World(now=start)
    for world in (plain, other):
        world.issue(raised("a", **tier))
        if given_to and world.roster.belongs(given_to, tier["tier"]):
            world.reassigns(given_to)
        for each in hours:
            world.passes(hours=each)
        world.passes(seconds=seconds)
    other.issue(raised("b", **tier), closed("a", **tier, superseded_by=an_id("alert", "b")))
    for world in (plain, other):
        world.passes(days=15)
    assert set(plain.told) - set(other.told) == set()


def _on_roster(world: World) -> set[str]:
    """Who took on an alert that they may be told of."""
    return {
        thread.acknowledged_by
        for thread in world.threads.values()
        if world.roster.belongs(thread.acknowledged_by, thread.tier)
    }


@given(events=courses(), data=st.data())
def test_what_people_and_channels_do_never_changes_the_facts(events: list[AnyAlert], data: st.DataObject) -> None:
    plain, busy = a_world(), a_world()
    plain.issue(*events)
    left, seen = list(events), list[AnyAlert]()
    while left:
        let_happen(busy, data, left, seen)
    assert _facts(busy) == _facts(plain)


def _facts(world: World) -> dict[object, object]:
    return {
        alert: (thread.fact_state, thread.sequence, thread.tier, thread.text, thread.notice)
        for alert, thread in world.threads.items()
    }


@given(events=courses(), data=st.data())
def test_the_newest_event_of_an_alert_decides_in_whatever_order_they_come(
    events: list[AnyAlert], data: st.DataObject
) -> None:
    for alert in {event.alert for event in events}:
        own = [event for event in events if event.alert == alert]
        thread: Thread | None = None
        for event in data.draw(st.permutations(own)):
            thread = advance(thread, Issued(event, TUESDAY), roster()).thread
        assert thread is not None
        assert thread.fact_state == fact_state(own[-1])
        assert thread.sequence == own[-1].sequence


@given(events=courses("test"), hours=st.integers(0, 1000))
def test_test_messages_are_never_told_to_anybody(events: list[AnyAlert], hours: int) -> None:
    world = a_world()
    for event in events:
        world.issue(event)
        world.passes(hours=hours)
    assert (world.actions, world.taken, world.waiting) == ([], [], {})
    assert not any(thread.waiting or thread.wake_at for thread in world.threads.values())


@given(events=courses(), data=st.data())
def test_an_event_seen_again_changes_nothing(events: list[AnyAlert], data: st.DataObject) -> None:
    world = a_world()
    for event in events:
        world.issue(event)
        before = dict(world.threads)
        world.now += timedelta(hours=data.draw(st.integers(0, 50)))
        assert world.issue(event) == ()
        thread = world.threads[event.alert]
        assert advance(thread, Issued(event, world.now), world.roster) == Outcome(thread)
        assert world.threads == before
