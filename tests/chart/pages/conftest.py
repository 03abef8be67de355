"""Read models filled with the events that the real engines make of the two patients of the demo."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import Engine

from refrain.runtime.consume import Batch
from refrain.runtime.facts import Fact
from refrain.runtime.incoming import Arrived, Record
from services.chart.adapters.projection import Projection
from services.chart.adapters.read_model import ReadModel
from tests.chart.pages.stories import Case, Published, case

Fill = Callable[[Sequence[Published]], None]


@pytest.fixture
def fill(chart_engine: Engine) -> Fill:
    """Projects events as if they came from Kafka, one batch a call, into the database of the console."""
    projection = Projection(chart_engine)
    ends: dict[tuple[str, int], int] = {}

    def take(published: Sequence[Published]) -> None:
        first, facts = {}, []
        for topic, event in published:
            place = (topic.name, 0)
            first.setdefault(place, ends.get(place, 0))
            value = topic.encode(event)
            record = Record(topic, 0, ends.get(place, 0), event.patient.key.encode(), value)
            ends[place] = ends.get(place, 0) + 1
            facts.append(Arrived(record, Fact(topic, topic.decode(value), len(value))))
        projection.take(Batch(tuple(facts), first, {place: ends[place] for place in first}))

    return take


@pytest.fixture
def case_report(fill: Fill) -> Case:
    """The case report's patient, in the console's database."""
    found = case("case-report")
    fill(found.published)
    return found


@pytest.fixture
def synthetic(fill: Fill) -> Case:
    """The invented patient who relapses, is corrected and relapses again, in the console's database."""
    found = case("synthetic-001")
    fill(found.published)
    return found


@pytest.fixture
def read_model(chart_engine: Engine) -> ReadModel:
    return ReadModel(chart_engine)
