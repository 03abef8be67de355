"""Deliveries on loan: who gets which, what goes together, and what is noted of each, on both databases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest

from refrain.contracts.events import AlertAmended, AlertClosed, PatientId
from services.notify.adapters.deliveries import ChannelState, Deliveries, Due
from services.notify.adapters.delivery_log import ALIVE_SECONDS, DeliveryLog
from services.notify.adapters.store import Store
from services.notify.domain.happenings import Outcome
from services.notify.domain.thread import Message
from tests.notify.keeping import a_store, done, issued, put, take, thread_of
from tests.notify.telling import NOON, a_message, a_thread, an_id, change


def later(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def a_patient(number: int) -> PatientId:
    return PatientId(authority="NORTHWARD", type="MR", id=f"77{number:05}")


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    opened = a_store(database)
    yield opened
    opened.close()


@pytest.fixture
def log(store: Store) -> Deliveries:
    return DeliveryLog(store)


def queue(store: Store, *messages: Message, **thread: object) -> None:
    """Put messages, each with a thread of its own alert."""
    for message in messages:
        about = next(a_thread(number, **thread) for number in range(50) if a_thread(number).alert == message.alert)
        put(store, Outcome(about.model_copy(update={"unsent": (message,)}), (), (message,)))


def keys(due: Sequence[Due]) -> list[UUID]:
    return [one.message.delivery for one in due]


def test_a_delivery_is_lent_when_its_time_has_come_and_to_one_only(store: Store, log: Deliveries) -> None:
    message = a_message(a_thread(1), not_before=NOON + later(2))
    queue(store, message)
    assert log.due_channels(NOON) == []
    assert log.lease(NOON, 10, 30) == []
    at = NOON + later(2)
    assert log.due_channels(at) == ["mail"]
    assert log.lease(at, 10, 30, "pager") == []
    [due] = log.lease(at, 10, 30, "mail")
    assert (due.message, due.thread.alert, due.attempts, due.bundle) == (message, message.alert, 0, None)
    assert log.lease(at, 10, 30) == []
    assert log.due_channels(at) == []


def test_a_loan_ends_after_its_time(store: Store, log: Deliveries) -> None:
    queue(store, a_message(a_thread(1)))
    log.lease(NOON, 10, 30)
    assert keys(log.lease(NOON + later(29), 10, 30)) == []
    [due] = log.lease(NOON + later(30), 10, 30)
    assert due.attempts == 0


def test_a_loan_ends_soon_when_whoever_had_it_was_killed(store: Store) -> None:
    killed, other = DeliveryLog(store), DeliveryLog(store)
    queue(store, a_message(a_thread(1)))
    killed.lease(NOON, 10, 120)
    assert other.due_channels(NOON + later(ALIVE_SECONDS - 0.1)) == []
    assert other.due_channels(NOON + later(ALIVE_SECONDS)) == ["mail"]
    [due] = other.lease(NOON + later(ALIVE_SECONDS), 10, 120)
    assert due.attempts == 0


def test_a_replica_that_is_there_keeps_what_it_has_on_loan(store: Store) -> None:
    busy, other = DeliveryLog(store), DeliveryLog(store)
    queue(store, a_message(a_thread(1)))
    busy.lease(NOON, 10, 120)
    for seconds in range(1, 119):
        busy.due_channels(NOON + later(seconds))
        assert other.lease(NOON + later(seconds), 10, 120) == []


def test_a_replica_that_leaves_gives_back_what_it_has(store: Store) -> None:
    leaving, other = DeliveryLog(store), DeliveryLog(store)
    queue(store, a_message(a_thread(1)))
    leaving.lease(NOON, 10, 120)
    leaving.leave()
    assert len(other.lease(NOON, 10, 120)) == 1


def test_the_most_urgent_goes_first_then_the_oldest(store: Store, log: Deliveries) -> None:
    threads = [a_thread(n, tier=tier, patient=a_patient(n)) for n, tier in enumerate(("P3", "P2", "P1", "P1"))]
    messages = [a_message(thread, not_before=NOON - later(n)) for n, thread in enumerate(threads)]
    for thread, message in zip(threads, messages, strict=True):
        put(store, Outcome(thread, (), (message,)))
    assert keys(log.lease(NOON, 2, 30)) == [messages[3].delivery, messages[2].delivery]
    assert keys(log.lease(NOON, 2, 30)) == [messages[1].delivery, messages[0].delivery]


def test_what_is_soon_due_for_the_same_person_and_patient_goes_along(store: Store, log: Deliveries) -> None:
    due = a_message(a_thread(1))
    soon = a_message(a_thread(2), not_before=NOON + later(19))
    much_later = a_message(a_thread(3), not_before=NOON + later(21))
    elsewhere = a_message(a_thread(4), person="m.lee", not_before=NOON + later(1))
    queue(store, due, soon, much_later, elsewhere)
    assert keys(log.lease(NOON, 1, 30)) == [due.delivery, soon.delivery]


def test_results_of_another_patient_or_tier_do_not_go_along(store: Store, log: Deliveries) -> None:
    due, other_tier = a_thread(1), a_thread(2, tier="P2", due_hours=24)
    other_patient = a_thread(3, patient=a_patient(3))
    for thread in (due, other_tier, other_patient):
        soon = NOON if thread is due else NOON + later(1)
        put(store, Outcome(thread, (), (a_message(thread, not_before=soon),)))
    assert keys(log.lease(NOON, 10, 30)) == [a_message(due, not_before=NOON).delivery]


def test_a_digest_is_one_over_all_patients(store: Store, log: Deliveries) -> None:
    for number in range(3):
        thread = a_thread(number, tier="P3", patient=a_patient(number))
        put(store, Outcome(thread, (), (a_message(thread, occasion="digest", digest=True),)))
    assert len(log.lease(NOON, 1, 30)) == 3


def test_what_went_together_is_lent_together_again(store: Store, log: Deliveries) -> None:
    messages = [a_message(a_thread(n), not_before=NOON) for n in range(3)]
    newer = a_message(a_thread(3))
    queue(store, *messages)
    key = an_id("bundle")
    assert log.bundle(key, [one.message for one in log.lease(NOON, 10, 30)], NOON)
    queue(store, newer)
    assert not log.bundle(an_id("another"), messages, NOON)
    lent = log.lease(NOON + later(30), 1, 30)
    assert {one.message.delivery for one in lent} == {one.delivery for one in messages}
    assert {one.bundle for one in lent} == {key}
    assert [(one.message.delivery, one.bundle) for one in log.lease(NOON + later(30), 10, 30)] == [
        (newer.delivery, None)
    ]


def test_another_try_waits_for_its_time_and_counts(store: Store, log: Deliveries) -> None:
    message = a_message(a_thread(1))
    queue(store, message)
    log.lease(NOON, 10, 30)
    log.retry(message, NOON + later(60), "unreachable")
    assert log.lease(NOON + later(59), 10, 30) == []
    assert [one.attempts for one in log.lease(NOON + later(60), 10, 30)] == [1]


def test_a_loan_given_back_counts_as_no_try(store: Store, log: Deliveries) -> None:
    message = a_message(a_thread(1))
    queue(store, message)
    log.lease(NOON, 10, 30)
    log.release([message], NOON + later(5))
    assert log.lease(NOON + later(4), 10, 30) == []
    assert [one.attempts for one in log.lease(NOON + later(5), 10, 30)] == [0]


def test_what_is_withdrawn_is_not_lent_and_may_be_wanted_again(store: Store, log: Deliveries) -> None:
    message = a_message(a_thread(1))
    queue(store, message)
    put(store, Outcome(a_thread(1, level=1), (), (), (message.delivery,)))
    assert log.lease(NOON, 10, 30) == []
    put(store, Outcome(a_thread(1, level=2), (), (message,)))
    assert keys(log.lease(NOON, 10, 30)) == [message.delivery]


def test_two_replicas_never_get_the_same_delivery(database: str) -> None:
    stores = [a_store(database), a_store(database)]
    for number in range(40):
        thread = a_thread(number, patient=a_patient(number))
        put(stores[0], Outcome(thread, (), (a_message(thread),)))
    with ThreadPoolExecutor(4) as pool:
        leases = [pool.submit(DeliveryLog(stores[n % 2]).lease, NOON, 5, 30) for n in range(12)]
        lent = [one.message.delivery for lease in leases for one in lease.result()]
    assert len(lent) == 40
    assert len(set(lent)) == 40
    for store in stores:
        store.close()


def test_a_channel_counts_its_failures_in_a_row_and_since_when(log: Deliveries) -> None:
    assert log.channels() == []
    log.channel_result("mail", True, NOON)
    log.channel_result("mail", False, NOON + later(5))
    log.channel_result("mail", False, NOON + later(9))
    log.channel_result("pager", False, NOON + later(9))
    assert log.channels() == [
        ChannelState("mail", 2, NOON + later(5), NOON),
        ChannelState("pager", 1, NOON + later(9), None),
    ]
    log.channel_result("pager", True, NOON + later(10))
    assert log.channels()[1] == ChannelState("pager", 0, None, NOON + later(10))


def test_what_was_withdrawn_meanwhile_is_not_begun(store: Store, log: Deliveries) -> None:
    thread, other = a_thread(1), a_thread(2)
    gone, kept = a_message(thread), a_message(other)
    put(store, *(Outcome(one.model_copy(update={"unsent": (message,)}), (), (message,))
                 for one, message in ((thread, gone), (other, kept))))  # fmt: skip
    lent = [due.message for due in log.lease(NOON, 10, 30)]
    put(store, Outcome(thread, (), (), (gone.delivery,)))
    assert not log.bundle(gone.delivery, lent, NOON)
    [again] = log.lease(NOON, 10, 30)  # at once: its loan has ended
    assert (again.message.delivery, again.bundle) == (kept.delivery, None)
    assert log.bundle(kept.delivery, [again.message], NOON)


def test_the_thread_learns_that_somebody_may_be_told_from_now_on(store: Store, log: Deliveries) -> None:
    thread = a_thread(1)
    message = a_message(thread)
    put(store, Outcome(thread.model_copy(update={"unsent": (message,)}), (), (message,)))
    [due] = log.lease(NOON, 10, 30)
    assert log.bundle(message.delivery, [due.message], NOON)
    [again] = log.lease(NOON + later(31), 10, 30)
    assert [one.begun for one in again.thread.unsent] == [True]


def test_a_replica_that_stood_still_does_not_send_what_another_one_has_by_then(store: Store, log: Deliveries) -> None:
    thread = a_thread(1)
    message = a_message(thread)
    put(store, Outcome(thread.model_copy(update={"unsent": (message,)}), (), (message,)))
    stood = [due.message for due in log.lease(NOON, 10, 30)]
    other = DeliveryLog(store)
    [lent] = other.lease(NOON + later(31), 10, 30)
    assert not log.bundle(an_id("of the one that stood"), stood, NOON + later(31))
    assert other.bundle(message.delivery, [lent.message], NOON + later(31))


def test_the_alert_that_took_over_learns_whom_a_late_message_reached(store: Store, log: Deliveries) -> None:
    heir, between = a_thread(3), a_thread(2)
    waits = a_message(heir, not_before=NOON + later(60))
    between = between.model_copy(update={"state": "closed", "fact_state": "closed", "successor": heir.alert})
    old = a_thread(1).model_copy(update={"successor": between.alert, "fact_state": "closed", "state": "closed"})
    message = a_message(old)
    put(
        store, Outcome(heir.model_copy(update={"unsent": (waits,)}), (), (waits,)), Outcome(between),
        Outcome(old.model_copy(update={"unsent": (message,)}), (), (message,)),
    )  # fmt: skip
    [due] = log.lease(NOON, 10, 30)
    log.sent(due.message, NOON)
    assert keys(log.lease(NOON + later(61), 10, 30)) == []


def test_what_is_sent_is_what_the_alert_says_when_it_is_begun(store: Store, log: Deliveries) -> None:
    """A correction that comes after the loan and before the first try is in the message, and after it told besides."""
    take(store, issued())
    at = NOON + later(2)
    [due] = log.lease(at, 10, 30)
    corrected = {"text": "VEGF 87.15 pg/mL", "values": (change("871.5 pg/mL", "87.15 pg/mL"),), "what_changed": "c"}
    take(store, issued(fact=AlertAmended, sequence=1, **corrected))
    begun = log.bundle(due.message.delivery, [due.message], at)
    assert begun is not None
    assert begun[due.message.alert].text == "VEGF 87.15 pg/mL"
    assert [message.occasion for message in thread_of(store).unsent] == ["raised"]
    take(store, issued(fact=AlertAmended, sequence=2, **corrected))
    assert [message.occasion for message in thread_of(store).unsent] == ["raised", "amended"]


def superseded(store: Store, number: int, heir: int) -> None:
    """An earlier result opens the episode."""
    more = {"reason": "an earlier result", "superseded_by": a_thread(heir).alert}
    take(store, issued(heir), issued(number, fact=AlertClosed, sequence=1, **more))


def test_the_alert_that_takes_over_goes_on_under_the_key_that_was_tried_and_with_the_others_of_it(
    store: Store, log: Deliveries
) -> None:
    take(store, issued(1), issued(2))
    at = NOON + later(2)
    lent = log.lease(at, 10, 30)
    key = lent[0].message.delivery
    assert log.bundle(key, [one.message for one in lent], at)
    superseded(store, 1, 3)
    assert log.lease(at + later(1), 10, 30) != []  # not lent to anybody yet: it may go at once
    again = log.lease(at + later(31), 10, 30)
    assert {(one.message.alert, one.bundle) for one in again} == {(a_thread(n).alert, key) for n in (2, 3)}
    for one in again:
        log.sent(one.message, at + later(32))
    assert done(store, 3) == ["inherited", "told"]
    assert done(store, 2) == ["told"]


def test_what_was_not_tried_goes_on_under_a_key_of_its_own(store: Store, log: Deliveries) -> None:
    take(store, issued(1))
    superseded(store, 1, 3)
    [due] = log.lease(NOON + later(2), 10, 30)
    assert (due.message.alert, due.bundle, due.message.repeats) == (a_thread(3).alert, None, None)


def test_an_answer_that_comes_after_all_tells_the_alert_that_took_over(store: Store, log: Deliveries) -> None:
    take(store, issued(1))
    at = NOON + later(2)
    [due] = log.lease(at, 10, 30)
    assert log.bundle(due.message.delivery, [due.message], at)
    superseded(store, 1, 3)
    log.sent(due.message, at)
    heir = thread_of(store, 3)
    assert (heir.state, heir.unsent, [one.to.person for one in heir.told]) == ("delivered", (), ["m.lee"])
    assert log.lease(at + later(600), 10, 30) == []
