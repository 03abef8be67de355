"""Cases of feeds.md section 13 whose outcome only shows behind intake: bytes in, flags and alerts out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import permutations

import pytest

from refrain.contracts.events import Alert, FlaggedObservation, FlaggedReport, LabReport
from refrain.contracts.site import SiteSettings
from services.flagging.domain.judgement import FlaggingIssued, place
from services.intake.domain.profile import Profile
from services.intake.domain.translate import translate

NORTH = Profile(sender="north-lab", zone="Europe/Berlin")
RECEIVED_AT = datetime(2026, 3, 20, 9, tzinfo=UTC)
POTASSIUM = "2823-3^Potassium^LN"
VEGF = "OBX|1|NM|34694-0^VEGF^LN||{value}|pg/mL|0-160||||{status}"


def message(obx: str, *, drawn: str = "20260314080000+0100", issued: str = "20260314091400+0100") -> LabReport:
    lines = (
        r"MSH|^~\&|LAB|NORTH|REFRAIN|WARD|20260314091500+0100||ORU^R01^ORU_R01|E1|P|2.5.1",
        "PID|1||000731^^^NORTH^MR||Planted^Name||19970203|M",
        f"OBR|1|P100|F200|PAN^Panel^L|||{drawn}|||||||||||||||{issued}|||F",
        obx,
    )
    (report,) = translate("\r".join(lines).encode(), NORTH, RECEIVED_AT).reports
    return report


def told(*reports: LabReport) -> tuple[Mapping[str, FlaggedObservation], list[Alert]]:
    """What stands in the end, by status as received, and every alert that is open."""
    issued, facts, views = FlaggingIssued(), [], {}
    for report in reports:
        facts.append(report)
        decision = place(facts, issued, [report], SiteSettings())
        issued = decision.issued
        events = [output.event for output in decision.outputs]
        views |= {event.report: event for event in events if isinstance(event, FlaggedReport)}
    observations = [one for view in views.values() for one in view.observations]
    alerts = [alert for alert in issued.alerts.get("live", {}).values() if alert.state == "open"]
    return {one.observation.status: one for one in observations}, alerts  # type: ignore[return-value]


@pytest.mark.parametrize("status", ["X", "D", "W"])
def test_a_cancel_without_a_collection_time_reaches_the_result_of_its_order(status: str) -> None:
    first = message(VEGF.format(value="423.5", status="F"))
    cancel = message(VEGF.format(value="", status=status), drawn="", issued="20260315101500+0100")
    for order in permutations((first, cancel)):
        found, alerts = told(*order)
        assert (found["F"].current, found["F"].usable, found[status].current) == (False, False, True)
        assert "collection_time_changed" in found[status].quality
        assert {alert.kind for alert in alerts} <= {"DQ_IDENTITY", "DQ_SPECIMEN"}


def test_a_cancel_before_any_result_takes_nothing_back_and_a_later_result_stands() -> None:
    cancel = message(VEGF.format(value="", status="X"), drawn="", issued="20260313101500+0100")
    found, alerts = told(cancel)
    assert (found["X"].usable, found["X"].interpretation, alerts) == (False, (), [])
    found, _ = told(cancel, message(VEGF.format(value="423.5", status="F")))
    assert (found["F"].current, "reinstated" in found["F"].quality) == (True, True)


def test_10a_a_laboratory_critical_always_alerts_and_both_readings_stay() -> None:
    found, alerts = told(message(f"OBX|1|NM|{POTASSIUM}||4.0|mmol/L|3.5-5.1|HH|||F"))
    assert found["F"].observation.reported_flags == ("HH",)
    assert "N" in found["F"].interpretation
    assert "CRITICAL_RESULT" in {alert.kind for alert in alerts}
    assert "DQ_FLAG_CONFLICT" in {alert.kind for alert in alerts}


@pytest.mark.parametrize("status", ["W", "D", "X"])
def test_2a_a_withdrawn_critical_raises_nothing(status: str) -> None:
    _, alerts = told(message(f"OBX|1|NM|{POTASSIUM}||6.9|mmol/L|3.5-5.1|HH|||{status}"))
    assert "CRITICAL_RESULT" not in {alert.kind for alert in alerts}


def test_4_after_a_final_a_later_preliminary_is_history_only() -> None:
    final = message(VEGF.format(value="42.35", status="F"))
    late = message(VEGF.format(value="48", status="P"), issued="20260314101400+0100")
    for order in permutations((final, late)):
        found, _ = told(*order)
        assert (found["F"].current, found["P"].current) == (True, False)


def test_20b_an_unmapped_code_is_flagged_by_the_laboratory_s_range_only() -> None:
    found, alerts = told(message("OBX|1|NM|33944-8^Lambda^LN||110|mg/L|8.3-27|H|||F"))
    assert (found["F"].interpretation, found["F"].range_source, found["F"].series) == (("H",), "reported", None)
    assert "DQ_LOINC" in {alert.kind for alert in alerts}
