"""Whatever the order of arrival, the same facts leave the same alerts open (clinical.md G-4, RET-2)."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from refrain.clinical.poems import vegf_rise
from refrain.clinical.threevalued import Span
from refrain.contracts.events import Infection

ULN, BASELINE = Decimal(160), Decimal(250)
VALUES = ("20", "40", "50", "90", "170", "200", "240", "500")

Fact = tuple[str, int, str]
"""Kind, day, value. A result that starts with "was" is a version that a later correction replaces."""


def judged(story: Any, values: dict[int, str]) -> None:
    """Put a VEGF series into the story as response would judge it: condition P, level, nadir."""
    nadir, before = BASELINE, -4
    story.vegf(before, str(BASELINE))
    for day, value in sorted(values.items()):
        number = Decimal(value)
        rise = vegf_rise(Span.of(number), Span.of(nadir), number > ULN)
        level = "PDV" if rise else "CRV" if number <= ULN else "PRV" if number <= BASELINE / 2 else "NRV"
        known = story.results.get(story.name_of("VEGF", day))
        version = 0 if known is None or known[0].text == f"{value} pg/mL" else 1
        story.vegf(day, value, "met" if rise else "not_met", level=level, version=version)
        nadir = min(nadir, number)


def deliver(story: Any, facts: Iterable[Fact]) -> None:
    """One fact after the other, each followed by what relapse makes of it."""
    values: dict[int, str] = {}
    final: set[int] = set()
    for kind, day, value in facts:
        match kind:
            case "was" if day not in final:
                values[day] = value
            case "is":
                values[day] = value
                final.add(day)
            case "igg":
                story.result("IGG", day, value)
            case "infection":
                story.record(Infection(onset=story.on(day), end=story.on(day) + timedelta(7)), f"i {day}", day=day)
            case "worse":
                story.finding(day, {"leg weakness": "worse"})
        judged(story, values)
        story.until = max((*values, *(0,)), default=0)
        story.tell()
    story.until = 400
    story.tell()


days = st.integers(1, 12).map(lambda month: 28 * month)
facts_of_a_patient = st.tuples(
    st.dictionaries(days, st.sampled_from(VALUES), min_size=1, max_size=6),
    st.dictionaries(days, st.sampled_from(VALUES), max_size=2),
    st.dictionaries(days, st.sampled_from(("3.4", "3.9", "4.2", "4.6", "9")), max_size=3),
    st.lists(days, max_size=1),
    st.lists(days, max_size=1),
)


@settings(max_examples=60, deadline=None)
@given(facts_of_a_patient, st.randoms(use_true_random=False))
def test_any_order_of_arrival_leaves_the_same_alerts_open(new_story: Any, parts: Any, random: Any) -> None:
    results, corrected, igg, infections, visits = parts
    truth: list[Fact] = [("is", day, value) for day, value in results.items()]
    truth += [("igg", day, value) for day, value in igg.items()]
    truth += [("infection", day, "") for day in infections] + [("worse", day, "") for day in visits]
    mistakes: list[Fact] = [("was", day, value) for day, value in corrected.items() if day in results]

    in_order, mixed = new_story(), new_story()
    deliver(in_order, sorted(truth, key=lambda fact: fact[1]))
    shuffled = [*truth, *mistakes]
    random.shuffle(shuffled)
    deliver(mixed, shuffled)

    assert values_told(mixed) == values_told(in_order)
    assert {(a.kind, a.alert) for a in mixed.issued.alerts.values() if a.state == "open"} == {
        (a.kind, a.alert) for a in in_order.issued.alerts.values() if a.state == "open"
    }


def values_told(story: Any) -> set[tuple[Any, ...]]:
    """The open alerts with what they say and the values they show."""
    return {
        (a.alert, a.kind, a.tier, a.due_hours, a.text, tuple(piece.text for piece in a.evidence), a.tags, a.at)
        for a in story.issued.alerts.values() if a.state == "open"
    }  # fmt: skip


def test_every_event_of_an_alert_has_the_next_number(on_watch: Any) -> None:
    on_watch.vegf(161, "240", "met")
    on_watch.tell()
    on_watch.vegf(161, "24", "not_met", version=1, issued=163)
    on_watch.tell()
    on_watch.vegf(180, "230", "met")
    on_watch.tell()
    numbers: dict[Any, list[int]] = {}
    for event in on_watch.events:
        numbers.setdefault(event.alert, []).append(event.sequence)
    assert {tuple(told) for told in numbers.values()} <= {tuple(range(len(told))) for told in numbers.values()}
    assert len({event.event_id for event in on_watch.events}) == len(on_watch.events)
