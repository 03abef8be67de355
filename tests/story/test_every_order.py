"""Whatever the order, repetition or splitting of a patient's messages: one end state and the same open alerts.

And a corrected, withdrawn or deleted result ends as if its old value had never been seen.
"""

from drawn_stories import (
    CASE,
    Stream,
    a_delivery,
    a_timeline,
    end_state,
    facts_of,
    open_alerts,
    received,
    remaining,
    run,
    send_all,
    told,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from refrain.contracts.events import CareEvent
from refrain.contracts.site import SiteSettings


@given(st.data())
def test_a_drawn_story_in_every_order(data: st.DataObject) -> None:
    facts = facts_of(data.draw(a_timeline()))
    in_order = end_state(run([[fact] for fact in facts]))
    assert end_state(run(data.draw(a_delivery(facts)))) == in_order


@settings(max_examples=settings().max_examples // 5)  # it is long: 29 results, 53 care events
@given(st.data())
def test_the_case_report_in_every_order(data: st.DataObject) -> None:
    facts = facts_of(CASE)
    in_order = end_state(run([[fact] for fact in facts]))
    assert end_state(run(data.draw(a_delivery(facts)))) == in_order


@given(st.data())
def test_a_correction_ends_as_if_the_old_value_had_never_been_seen(data: st.DataObject) -> None:
    document = data.draw(a_timeline())
    target = data.draw(st.sampled_from(document["observations"]))
    issued = "2026-10-01T12:00:00+00:00"
    fixed = target | {"status": "C", "issued_at": issued} | data.draw(received(target["code"]))
    seen = document | {"observations": [*document["observations"], fixed]}
    never = document | {"observations": [each if each is not target else fixed for each in document["observations"]]}
    assert remaining(run([[f] for f in facts_of(seen)])) == remaining(run([[f] for f in facts_of(never)]))


@given(st.data())
def test_a_withdrawal_ends_as_if_the_result_had_never_been_seen(data: st.DataObject) -> None:
    document = data.draw(a_timeline())
    target = data.draw(st.sampled_from(document["observations"]))
    code = data.draw(st.sampled_from(["W", "D", "X"]))
    gone = target | {"status": code, "issued_at": "2026-10-01T12:00:00+00:00"}
    seen = document | {"observations": [*document["observations"], gone]}
    never = document | {"observations": [gone if each is target else each for each in document["observations"]]}
    assert remaining(run([[f] for f in facts_of(seen)])) == remaining(run([[f] for f in facts_of(never)]))


@given(st.data())
def test_engines_that_lag_behind_one_another_end_in_the_same_alerts(data: st.DataObject) -> None:
    facts = facts_of(data.draw(a_timeline()))
    stream = Stream(SiteSettings())
    for group in data.draw(a_delivery(facts)):
        send_all(stream, group)
        for _ in range(data.draw(st.integers(0, 6))):
            if waiting := stream.waiting():
                stream.work(data.draw(st.sampled_from(waiting)), data.draw(st.sampled_from([1, 2, 500])))
    while waiting := stream.waiting():
        stream.work(data.draw(st.sampled_from(waiting)), data.draw(st.sampled_from([1, 3, 500])))
    assert open_alerts(stream) == open_alerts(run([[fact] for fact in facts]))


@given(st.data())
def test_nothing_is_told_between_two_records_of_one_decision(data: st.DataObject) -> None:
    """A correction reaches response as two views, of the old version and of the new: half of it is no news."""
    document = data.draw(a_timeline())
    target = data.draw(st.sampled_from(document["observations"]))
    fixed = target | {"status": "C", "issued_at": "2026-10-01T12:00:00+00:00"} | data.draw(received(target["code"]))
    facts = facts_of(document | {"observations": [*document["observations"], fixed]})
    care = [fact for fact in facts if isinstance(fact, CareEvent)]
    groups = [care, *([fact] for fact in facts if not isinstance(fact, CareEvent))]
    at_once, one_by_one = Stream(SiteSettings()), Stream(SiteSettings())
    for group in groups:
        for stream, count in ((at_once, 500), (one_by_one, 1)):
            send_all(stream, group)
            while waiting := stream.waiting():
                stream.work(waiting[0], count if group is not care else 500)
    assert told(one_by_one.alerts) == told(at_once.alerts)
