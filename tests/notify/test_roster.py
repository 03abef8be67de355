"""A site's roster: the example that sites copy, and what is said about one that cannot be used."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import services.notify
from refrain.contracts.events import Tier
from services.notify.domain.chains import chain_key
from services.notify.domain.roster import Roster, RosterError, load
from services.notify.domain.thread import rank_of
from tests.notify.living import NIGHT, ROSTER, TUESDAY, roster

EXAMPLE = Path(services.notify.__file__).parent / "roster.example.yaml"


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    document = copy.deepcopy(yaml.safe_load(ROSTER))
    change(document)
    return yaml.safe_dump(document)


def at(document: dict[str, Any], *path: str | int) -> Any:
    for part in path:
        document = document[part]  # type: ignore[index]
    return document


def test_the_example_can_be_used() -> None:
    example = load(EXAMPLE.read_text(encoding="utf-8"))
    chain = example.chain("P1", None)
    assert [str(level.after) for level in chain.levels] == ["0 min", "30 min", "60 min"]
    assert str(chain.resend) == "15 min"
    assert str(example.chain("DQ", None).levels[1].after) == "2 working days"


def test_in_the_example_the_second_contact_is_another_while_nobody_is_away() -> None:
    example = load(EXAMPLE.read_text(encoding="utf-8"))
    for week in range(60):
        moment = datetime(2026, 1, 5, 12, tzinfo=UTC) + timedelta(weeks=week)
        if not all(example.there(person, moment) for person in example.people):
            continue
        first, second = example.on_duty("haematologist_on_call", moment), example.on_duty("second_on_call", moment)
        assert first is not None
        assert first != second


def test_the_revision_is_that_of_the_content() -> None:
    assert load(ROSTER).revision == load(ROSTER + "\n# a comment\n").revision
    assert load(changed(lambda doc: doc["digest"].update(time="08:00"))).revision != load(ROSTER).revision


Change = Callable[[dict[str, Any]], object]
WRONG: list[tuple[Change, str]] = [
    (lambda d: d.pop("zone"), "zone: is missing: add it"),
    (lambda d: d.update(zone="Berlin"), "zone: there is no such time zone: use a name like Europe/Berlin"),
    (lambda d: d.update(colour="red"), "colour: is not a setting of the roster: remove it or correct its name"),
    (lambda d: d.update(people={}), "people: "),
    (
        lambda d: at(d, "people", "ana", "channels", 0).update(channel="fax"),
        "people.ana.channels[0].channel: there is no channel 'fax': add it under channels or correct the name",
    ),
    (
        lambda d: at(d, "people", "ana", "channels", 2).update(channel="mail"),
        "people.ana.channels[2].channel: 'mail' is listed twice: define a second channel for the second address",
    ),
    (lambda d: at(d, "people", "ana").update(channels=[]), "people.ana.channels: is empty: name at least one"),
    (lambda d: at(d, "people", "ana", "channels", 0).update(address=""), "people.ana.channels[0].address: is empty"),
    (
        lambda d: at(d, "people", "ana").update(quiet={"from": 1320, "to": "07:00"}),
        'people.ana.quiet.from: YAML reads this as a number: write the time in quotes, like "22:00"',
    ),
    (
        lambda d: at(d, "people", "ana").update(quiet={"from": "22:00Z", "to": "07:00"}),
        "people.ana.quiet.from: times are local times of the zone: write no offset",
    ),
    (
        lambda d: at(d, "people", "ana").update(quiet={"from": "07:00", "to": "07:00"}),
        "people.ana.quiet: from and to are the same time",
    ),
    (
        lambda d: at(d, "people", "ana").update(away=[{"from": "2026-05-02", "to": "2026-05-01"}]),
        "people.ana.away[0]: to lies before from: swap them",
    ),
    (
        lambda d: at(d, "channels", "mail").update(password="hunter2"),
        "channels.mail: password would be a secret in this file: put it into a file or an environment variable",
    ),
    (lambda d: at(d, "channels", "page").update(secret="hunter2"), "channels.page: secret would be a secret"),
    (lambda d: at(d, "channels", "chat").update(url="slack://hunter2"), "channels.chat: url would be a secret"),
    (
        lambda d: at(d, "channels", "page").update(proxy="http://me:hunter2@proxy.example"),
        "channels.page: proxy would be a secret",
    ),
    (lambda d: at(d, "channels", "page").update(type="pigeon"), "channels.page.type: "),
    (
        lambda d: at(d, "chains", "P1", "levels", 1).update(to=["zoe"]),
        "chains.P1.levels[1].to[0]: there is no person and no duty 'zoe': add it or correct the name",
    ),
    (lambda d: at(d, "chains", "P1", "levels", 1).update(to=[]), "chains.P1.levels[1].to: is empty"),
    (lambda d: at(d, "chains", "P1").update(levels=[]), "chains.P1.levels: is empty: name at least one"),
    (
        lambda d: at(d, "chains", "P1", "levels").append({"to": ["cho"]}),
        "chains.P1.levels[3].after: is missing: add it",
    ),
    (
        lambda d: at(d, "chains", "P1", "levels", 2).update(after="30 min"),
        "chains.P1.levels[2].after: is not later than the level before it: give a longer time",
    ),
    (
        lambda d: at(d, "chains", "P1", "levels", 0).update(after="5 min"),
        "chains.P1.levels[0].after: the first level is told at once: remove it",
    ),
    (
        lambda d: at(d, "chains", "P1").update(resend="45 min"),
        "chains.P1.resend: must lie between the first and the second level: correct it",
    ),
    (lambda d: at(d, "chains", "P1").update(resend="soon"), "chains.P1.resend: is no duration: write a number"),
    (lambda d: at(d, "chains", "P1").update(snooze_max="1 h"), "chains.P1.snooze_max: a P1 is never snoozed"),
    (lambda d: at(d, "chains", "P1").update(remind="0 min"), "chains.P1.remind: must be longer than nothing"),
    (
        lambda d: at(d, "chains", "DQ").update(snooze_max="1 working day"),
        "chains.DQ.snooze_max: is a time without pauses",
    ),
    (
        lambda d: at(d, "chains", "P3", "levels").append({"to": ["cho"], "after": "24 h"}),
        "chains.P3.levels[1]: nobody waits for an answer to a P3",
    ),
    (
        lambda d: at(d, "chains", "DQ", "levels", 0).update(to=["ana"]),
        "chains.DQ.levels[0].to[0]: ana is not of the laboratory",
    ),
    (lambda d: at(d, "fallback").update(laboratory=["cho"]), "fallback.laboratory[0]: cho is not of the laboratory"),
    (lambda d: at(d, "fallback").update(clinical=[]), "fallback.clinical: is empty: name at least one"),
    (lambda d: at(d, "fallback").update(clinical=["on_call"]), "fallback.clinical[0]: there is no person 'on_call'"),
    (
        lambda d: at(d, "people", "cho", "channels").pop(),
        "fallback.clinical[0]: cho has no channel for P2, P3: whoever is told last needs one for each",
    ),
    (
        lambda d: at(d, "people", "ben", "channels").pop(),
        "chains.P2_24.levels[1].to[0]: ben has no channel for P2: add P2 to the tiers of one of their channels",
    ),
    (lambda d: d.update(settle_seconds={"P1": -1}), "settle_seconds.P1: -1 is not between 0 and 600"),
]


@pytest.mark.parametrize(("change", "said"), WRONG, ids=[said[:60] for _, said in WRONG])
def test_what_is_wrong_is_said_with_its_place_and_what_to_do(change: Change, said: str) -> None:
    with pytest.raises(RosterError) as caught:
        load(changed(change))
    assert any(problem.startswith(said) for problem in caught.value.problems), caught.value.problems
    assert "hunter2" not in str(caught.value)


DUTY = {"members": ["ana", "ben"], "starts": "2026-01-05"}
WRONG_DUTIES: list[tuple[dict[str, Any], str]] = [
    ({"members": []}, "duties.on_call.members: is empty: name at least one"),
    ({"members": ["zoe"]}, "duties.on_call.members[0]: there is no person 'zoe': add them under people"),
    ({"starts": "2026-01-06"}, "duties.on_call: starts is a tuesday, but turns begin on a monday"),
    (
        {"overrides": [{"person": "zoe", "from": "2026-01-06T08:00", "to": "2026-01-07T08:00"}]},
        "duties.on_call.overrides[0].person: there is no person 'zoe'",
    ),
    (
        {"overrides": [{"person": "ana", "from": "2026-05-03T08:00", "to": "2026-05-20T08:00"}]},
        "duties.on_call.overrides[0]: ana is away then",
    ),
    (
        {"overrides": [{"person": "ana", "from": "2026-01-07T08:00", "to": "2026-01-06T08:00"}]},
        "duties.on_call.overrides[0]: to is not after from",
    ),
]


@pytest.mark.parametrize(("change", "said"), WRONG_DUTIES, ids=[said[:60] for _, said in WRONG_DUTIES])
def test_what_is_wrong_with_a_duty_is_said(change: dict[str, Any], said: str) -> None:
    with pytest.raises(RosterError) as caught:
        load(changed(lambda document: document.update(duties={"on_call": DUTY | change})))
    assert any(problem.startswith(said) for problem in caught.value.problems), caught.value.problems


def test_every_problem_is_said_at_once() -> None:
    def spoil(document: dict[str, Any]) -> None:
        at(document, "chains", "P1", "levels", 0).update(to=["zoe"])
        at(document, "chains", "DQ", "levels", 0).update(to=["yan"])

    with pytest.raises(RosterError) as caught:
        load(changed(spoil))
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("text", ["people: [", "just words", ""])
def test_what_is_no_roster_at_all_is_refused(text: str) -> None:
    with pytest.raises(RosterError):
        load(text)


def with_duty() -> Roster:
    """ana and ben take the calls in turns; ana hands over to ben on Monday 16 March at 05:00 in Berlin."""

    def change(document: dict[str, Any]) -> None:
        duty = {"members": ["ben", "ana"], "starts": "2026-03-02", "handover": {"time": "05:00"}}
        document["duties"] = {"on_call": duty}
        at(document, "chains", "P2_24", "levels", 0).update(to=["on_call", "ana"])

    return load(changed(change))


def test_a_message_that_is_held_over_a_handover_goes_to_whoever_has_the_duty_then() -> None:
    before_handover = datetime(2026, 3, 16, 2, tzinfo=UTC)
    morning = datetime(2026, 3, 16, 6, tzinfo=UTC)
    site = with_duty()
    assert site.on_duty("on_call", before_handover) == "ana"
    assert site.reach("P2", 24, 0, before_handover) == (("ben", morning), ("ana", morning))


def test_somebody_who_is_named_twice_is_told_once() -> None:
    assert with_duty().recipients("P2", 24, 0, TUESDAY) == ("ana",)


def test_the_fallback_is_told_past_the_last_level_even_when_they_are_away() -> None:
    site = load(changed(lambda d: at(d, "people", "cho").update(away=[{"from": "2026-03-10", "to": "2026-03-10"}])))
    assert site.recipients("P1", None, 2, TUESDAY) == ()
    assert site.recipients("P1", None, site.fallback_level("P1", None), TUESDAY) == ("cho",)
    assert site.recipients("DQ", None, 9, TUESDAY) == ("dai",)


def test_quiet_hours_hold_everything_but_a_p1_and_a_channel_may_have_its_own() -> None:
    site = load(changed(lambda d: at(d, "people", "ana", "channels", 2).update(quiet={"from": "12:00", "to": "15:00"})))
    morning = datetime(2026, 3, 11, 6, tzinfo=UTC)
    assert site.quiet_until("ana", "mail", "P2", NIGHT) == morning
    assert site.quiet_until("ana", "page", "P1", NIGHT) == NIGHT
    assert site.quiet_until("ana", "chat", "P2", NIGHT) == NIGHT
    assert site.quiet_until("ana", "chat", "P2", TUESDAY) == TUESDAY + timedelta(hours=2)
    assert site.quiet_until("ana", "mail", "P2", TUESDAY) == TUESDAY


def test_channels_come_in_order_and_by_tier() -> None:
    assert roster().channels_of("ana", "P1") == ("page", "mail", "chat")
    assert roster().channels_of("ana", "P2") == ("mail", "chat")
    assert roster().address("ana", "chat") == "ana"
    assert roster().address("ana", "fax") is None


@given(tier=st.sampled_from(["P1", "P2", "P3", "DQ"]), hours=st.none() | st.integers(1, 200))
def test_a_chain_never_leaves_more_time_than_the_alert(tier: Tier, hours: int | None) -> None:
    key = chain_key(tier, hours if tier == "P2" else None)
    assert key == {"P2": "P2_72" if (hours or 0) >= 72 else "P2_24"}.get(tier, tier)
    assert 0 <= rank_of(tier, hours) <= 4
