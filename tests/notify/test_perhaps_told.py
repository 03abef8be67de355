"""A channel was tried and never answered: nobody knows whether its person was told. They hear of what corrects it."""

from __future__ import annotations

from services.notify.domain.life import Begun, HeardThere
from tests.notify.living import DQ, P1, P2_24, World, an_id, closed, raised, retracted


def tried(world: World, name: str = "a", person: str = "") -> None:
    """The channel of each message that is on its way (to one person) is tried, and the sender dies."""
    for message in world.thread(name).unsent:
        if person in ("", message.to.person):
            world.happens(Begun(message.delivery, world.now), an_id("alert", name))


def test_what_was_never_tried_is_not_taken_back() -> None:
    world = World()
    world.issue(raised(**P1), retracted(**P1))
    world.passes(days=8)
    assert world.told == []


def test_whoever_may_have_been_told_hears_that_it_is_taken_back() -> None:
    world = World()
    world.issue(raised(**P1))
    tried(world)
    assert world.thread().told == ()
    world.issue(retracted(**P1))
    world.settles()
    assert world.told == ["ana retracted"]
    world.passes(days=8)
    assert world.told == ["ana retracted"]


def test_also_when_somebody_else_took_it_on_meanwhile() -> None:
    world = World()
    world.issue(raised(**P2_24))
    tried(world)
    world.acknowledges("ben")
    world.issue(retracted(**P2_24))
    world.settles()
    assert sorted(world.told) == ["ana retracted", "ben retracted"]


def test_a_perhaps_keeps_nobody_from_being_told_under_the_id_that_takes_over() -> None:
    world = World()
    world.issue(raised(**P2_24))
    tried(world)
    world.issue(raised("b", **P2_24), closed(**P2_24, superseded_by=an_id("alert", "b")))
    world.settles()
    assert world.told == ["ana raised"]
    world.issue(retracted("b", **P2_24))
    world.settles()
    assert world.told == ["ana raised", "ana retracted"]


def test_who_may_know_the_old_id_hears_of_the_retraction_of_the_new_one() -> None:
    world = World()
    world.issue(raised(**P2_24))
    tried(world)
    world.issue(raised("b", **P2_24), closed(**P2_24, superseded_by=an_id("alert", "b")), retracted("b", **P2_24))
    world.settles()
    assert world.told == ["ana retracted"]


def test_a_retraction_that_names_others_reaches_who_may_know_them() -> None:
    world = World()
    world.issue(raised(**DQ), raised("b", **DQ))
    tried(world, "b")
    world.issue(retracted(**DQ, with_alerts=(an_id("alert", "b"),)))
    world.settles()
    assert world.told == ["queue retracted"]
    world.passes(days=8)
    assert world.told == ["queue retracted"]


def test_a_channel_that_was_given_up_counts_as_perhaps_and_not_as_told() -> None:
    world = World()
    world.issue(raised(**P1))
    for _ in range(2):  # the page, then the mail
        tried(world, person="ana")
        [message] = [one for one in world.thread().unsent if one.to.person == "ana"][:1]
        world.refuses(message, "timeout")
    assert world.thread().level == 0  # her chat is left
    tried(world, person="ana")
    world.refuses(world.thread().unsent[0], "timeout")
    assert world.thread().level == 1
    assert [(entry.to.person, entry.sure) for entry in world.thread().told] == [("ana", False)]
    world.issue(retracted(**P1))
    world.settles()
    assert world.told == ["ana retracted"]


def test_an_answer_that_comes_late_makes_it_sure() -> None:
    world = World()
    world.issue(raised(**P2_24))
    [message] = world.thread().unsent
    tried(world)
    world.acknowledges("ben")
    world.takes(message)
    assert sorted((entry.to.person, entry.sure) for entry in world.thread().told) == [("ana", True), ("ben", True)]
    assert world.types() == ["acknowledged", "told"]


def test_the_next_channel_is_a_new_beginning() -> None:
    world = World()
    world.issue(raised(**P1))
    tried(world)
    world.refuses(world.thread().unsent[0], "timeout")
    assert [message.begun for message in world.thread().unsent] == [False]


def test_what_is_known_outweighs_a_perhaps() -> None:
    world = World()
    world.issue(raised(**P1))
    world.settles()
    assert world.told == ["ana raised"]
    world.passes(works=lambda _: False, minutes=14, seconds=40)
    world.reassigns("ana", person="ben")
    tried(world)
    world.acknowledges("ben")
    assert all(entry.sure for entry in world.thread().told)


def test_who_heard_it_under_the_old_id_meanwhile_is_not_told_again() -> None:
    world = World()
    world.issue(raised(**P2_24))
    [message] = world.thread().unsent
    tried(world)
    world.issue(raised("b", **P2_24), closed(**P2_24, superseded_by=an_id("alert", "b")))
    world.takes(message)  # the channel answers after all
    [entry] = world.thread().told
    world.happens(HeardThere(entry, world.thread().rank, world.now), an_id("alert", "b"))
    world.settles()
    assert world.told == ["ana raised"]
    assert world.thread("b").state == "delivered"
    world.issue(retracted("b", **P2_24))
    world.settles()
    assert world.told == ["ana raised", "ana retracted"]


def test_but_they_are_where_the_new_one_is_more_urgent() -> None:
    world = World()
    world.issue(raised(**P2_24))
    [message] = world.thread().unsent
    tried(world)
    world.issue(raised("b", **P1), closed(**P2_24, superseded_by=an_id("alert", "b")))
    world.takes(message)
    [entry] = world.thread().told
    world.happens(HeardThere(entry, world.thread().rank, world.now), an_id("alert", "b"))
    world.settles()
    assert world.told == ["ana raised", "ana raised"]
