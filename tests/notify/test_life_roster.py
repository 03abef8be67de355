"""The roster changed while an alert was on its way: somebody left, a channel was renamed, somebody goes away."""

from __future__ import annotations

from typing import Any

import yaml

from services.notify.domain.roster import Roster, load
from services.notify.domain.thread import Message
from tests.notify.living import NIGHT, P1, P2_24, ROSTER, TUESDAY, World, people, raised, told_world


def without_ana(document: dict[str, Any]) -> None:
    """She left; Eva has her place in every chain."""
    document["people"]["eva"] = document["people"].pop("ana") | {"name": "Eva"}
    for chain in document["chains"].values():
        for level in chain["levels"]:
            level["to"] = ["eva" if person == "ana" else person for person in level["to"]]


def with_post(document: dict[str, Any]) -> None:
    """The channel ``mail`` has another name."""
    document["channels"]["post"] = document["channels"].pop("mail")
    for person in document["people"].values():
        for one in person["channels"]:
            one["channel"] = "post" if one["channel"] == "mail" else one["channel"]


def without_second_level(document: dict[str, Any]) -> None:
    del document["chains"]["P1"]["levels"][1:]


def changed(change: Any) -> Roster:
    document = yaml.safe_load(ROSTER)
    change(document)
    return load(yaml.safe_dump(document))


def restarts(world: World, roster: Roster) -> None:
    """Notify is started with another roster: what it can bring to nobody is given up, as the dispatcher does."""
    world.roster = roster
    for message in list(world.waiting.values()):
        if message.delivery in world.waiting and not _has_address(world, message):
            world.refuses(message, "misconfigured")


def _has_address(world: World, message: Message) -> bool:
    return world.roster.address(message.to.person, message.to.channel) is not None


def test_a_message_whose_channel_was_renamed_goes_over_the_new_one() -> None:
    world = World(now=NIGHT)
    world.issue(raised(**P2_24))
    restarts(world, changed(with_post))
    assert [(one.to.person, one.to.channel, one.not_before) for one in world.waiting.values()] == [
        ("ana", "post", NIGHT.replace(day=11, hour=6, minute=0)),
    ]  # fmt: skip
    world.passes(hours=9)
    assert world.told == ["ana raised"]


def test_who_has_the_place_of_somebody_who_left_is_told_at_once() -> None:
    world = World()
    world.issue(raised(**P1))
    restarts(world, changed(without_ana))
    assert people(world.waiting.values()) == ["eva"]
    world.settles()
    assert world.told == ["eva raised"]
    assert world.thread().level == 0


def test_also_where_a_colleague_of_the_level_was_told() -> None:
    world = World()
    two = changed(lambda doc: doc["chains"]["P1"]["levels"][0].update(to=["ana", "cho"]))
    world.roster = two
    world.issue(raised(**P1))
    world.takes(next(one for one in world.waiting.values() if one.to.person == "cho"))

    def left(document: dict[str, Any]) -> None:
        document["chains"]["P1"]["levels"][0]["to"] = ["ana", "cho"]
        without_ana(document)

    restarts(world, changed(left))
    world.settles()
    assert world.told == ["cho raised", "eva raised"]


def test_an_escalation_uses_the_roster_of_its_moment() -> None:
    world = told_world(**P1)
    restarts(world, changed(without_ana))
    world.passes(minutes=15)
    assert world.told == ["ana raised", "eva resent"]


def test_a_chain_that_became_shorter_still_reaches_somebody() -> None:
    world = told_world(**P1)
    world.passes(minutes=61)
    assert world.thread().level == 2
    world.forget()
    restarts(world, changed(without_second_level))
    world.passes(minutes=31)
    assert world.told == ["cho reminded"]  # the fallback


def test_nobody_is_counted_on_who_is_away_when_quiet_hours_end() -> None:
    """Ana and Ben leave tomorrow: what is held until the morning would come when neither is there."""
    world = World(now=TUESDAY.replace(month=5, day=3, hour=21))
    world.issue(raised(**P2_24))
    [message] = world.waiting.values()
    assert message.to.person == "cho"
    assert message.not_before == TUESDAY.replace(month=5, day=4, hour=5)
    assert world.thread().level == 2
