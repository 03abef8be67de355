"""Since when what is shown may be out of date."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from kafka.errors import KafkaConnectionError
from sqlalchemy.exc import OperationalError

from refrain.runtime.consume import Partition
from services.chart.adapters.freshness import BEHIND, Freshness
from tests.chart.conftest import Clock

HERE: Partition = ("alerts.v1", 0)


class Log:
    """Kafka and the database of a test: ends, places, and whether either is away."""

    def __init__(self) -> None:
        self.end, self.stand = 10, 10
        self.away: Exception | None = None

    def ends(self) -> Mapping[Partition, int]:
        if self.away:
            raise self.away
        return {HERE: self.end}

    def stands(self, places: object) -> Mapping[Partition, int]:
        return {HERE: self.stand} if places else {}


def looking(log: Log, clock: Clock, seconds: int) -> Freshness:
    fresh = Freshness(log.ends, log.stands, clock)
    look_for(fresh, clock, seconds)
    return fresh


def look_for(fresh: Freshness, clock: Clock, seconds: int) -> None:
    for _ in range(seconds // 15):
        fresh.look()
        clock.passes(seconds=15)


def test_a_read_model_that_follows_is_never_behind_however_much_comes(clock: Clock) -> None:
    log = Log()
    fresh = looking(log, clock, 60)
    for _ in range(20):
        log.end += 100
        fresh.look()
        clock.passes(seconds=15)
        log.stand = log.end - 3
        assert fresh.behind_since() is None


@pytest.mark.parametrize(
    "away", [KafkaConnectionError(), OperationalError("", {}, Exception())], ids=["Kafka", "the database"]
)
def test_what_does_not_answer_is_said_with_the_moment_of_the_last_full_look(clock: Clock, away: Exception) -> None:
    log = Log()
    fresh = looking(log, clock, 300)
    before = clock()
    log.away = away
    look_for(fresh, clock, 300)
    since = fresh.behind_since()
    assert since is not None
    assert before - BEHIND < since <= before
    log.away = None
    look_for(fresh, clock, 30)
    assert fresh.behind_since() is None


def test_a_reader_that_stands_still_is_behind_although_kafka_answers(clock: Clock) -> None:
    log = Log()
    fresh = looking(log, clock, 60)
    log.end = 11
    look_for(fresh, clock, 120)
    assert fresh.behind_since() is not None
    log.stand = 11
    look_for(fresh, clock, 30)
    assert fresh.behind_since() is None


def test_nothing_new_is_not_behind(clock: Clock) -> None:
    assert looking(Log(), clock, 3600).behind_since() is None


def test_a_log_that_was_wiped_is_not_waited_for_for_ever(clock: Clock) -> None:
    log = Log()
    log.stand = 0
    fresh = looking(log, clock, 60)
    log.end = log.stand = 2
    look_for(fresh, clock, 60)
    assert fresh.behind_since() is None
