"""What must hold after a run, whatever was killed: each check yields a sentence for everything that does not."""

from __future__ import annotations

from tests.faults.people.complaints import Allowed
from tests.faults.people.evidence import Evidence
from tests.faults.people.verdict_once import (
    keys_are_known,
    nobody_is_said_to_be_told_who_was_not,
    nobody_is_told_twice,
    one_episode_is_told_once,
)
from tests.faults.people.verdict_record import (
    actions_are_exact,
    chart_shows_what_is,
    nothing_is_acknowledged_silently,
    threads_are_where_the_facts_are,
)
from tests.faults.people.verdict_told import (
    digests_are_told,
    everybody_is_told,
    nobody_hears_of_a_test,
    retractions_reach_who_was_told,
)

CHECKS = (
    everybody_is_told, digests_are_told, nobody_hears_of_a_test, retractions_reach_who_was_told, nobody_is_told_twice,
    one_episode_is_told_once, keys_are_known, nobody_is_said_to_be_told_who_was_not, nothing_is_acknowledged_silently,
    actions_are_exact, threads_are_where_the_facts_are, chart_shows_what_is,
)  # fmt: skip


def judge(evidence: Evidence, allowed: Allowed) -> list[str]:
    """Everything that is wrong."""
    return [f"{check.__name__}: {sentence}" for check in CHECKS for sentence in check(evidence, allowed)]
