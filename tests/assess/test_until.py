"""``--until``: what falls due between the newest fact and a day (answers 19)."""

from datetime import date
from typing import Any

import pytest

from refrain.cli.assess import assess


def test_a_watch_without_a_sample_for_42_days_is_found(write: Any) -> None:
    course = [write.vegf("b", "400", "2025-01-03"), write.vegf("n", "100", "2025-02-06")]
    document = write.patient(*course, write.vegf("r", "170", "2025-03-06"))
    assert "MONITORING_GAP" not in write.kinds(assess(document, until=date(2025, 4, 16)), "open")
    [gap] = [a for a in assess(document, until=date(2025, 4, 17))["alerts"] if a["kind"] == "MONITORING_GAP"]
    assert (gap["state"], gap["subject"], gap["evidence"], gap["at"][:10]) == ("open", "VEGF", ["r"], "2025-04-17")


@pytest.mark.parametrize(("until", "due"), [(date(2025, 3, 2), False), (date(2025, 3, 3), True)])
def test_a_recheck_is_due_on_day_56(write: Any, until: date, due: bool) -> None:
    document = write.patient(write.result("p", "PRL", "30", "2025-01-03", "ng/mL", "4-21"))
    gaps = [alert for alert in assess(document, until=until)["alerts"] if alert["kind"] == "MONITORING_GAP"]
    assert [gap["subjects"] for gap in gaps] == ([["PRL"]] if due else [])


def test_a_repeat_on_day_56_is_in_time(write: Any) -> None:
    first = write.result("p", "PRL", "30", "2025-01-03", "ng/mL", "4-21")
    repeat = write.result("q", "PRL", "29", "2025-03-03", "ng/mL", "4-21")
    assert write.kinds(assess(write.patient(first, repeat), until=date(2025, 6, 1))) == []


def test_what_is_issued_later_is_left_out_and_the_day_is_that_of_the_site(write: Any) -> None:
    late = write.vegf("n", "100", "2025-02-06T23:30:00Z")
    site = {"time_zone": "Asia/Tokyo"}
    document = write.patient(write.vegf("b", "400", "2025-01-03"), late, site_config=site)
    names = [flag["id"] for flag in assess(document, until=date(2025, 2, 6))["flags"]]
    assert names == ["b"]
    assert [flag["id"] for flag in assess(document, until=date(2025, 2, 7))["flags"]] == ["b", "n"]


def test_a_line_that_has_ended_by_then_is_archived(write: Any) -> None:
    lines = [{"line": 1, "rule_set": "poems", "start": "2025-01-06", "end": "2025-06-01"}]
    document = write.patient(write.vegf("b", "400", "2025-01-03"), therapy_lines=lines)
    assert assess(document, until=date(2025, 5, 31))["course"][-1]["ladders"]["vegf"] == "NONE"
    assert assess(document, until=date(2025, 6, 1))["course"][-1]["ladders"]["vegf"] == "ARCHIVED"


def test_a_day_that_changes_nothing_adds_no_entry(write: Any) -> None:
    document = write.patient(write.vegf("b", "400", "2025-01-03"), write.vegf("n", "100", "2025-02-06"))
    assert assess(document, until=date(2025, 2, 20))["course"] == assess(document)["course"]
