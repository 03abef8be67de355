"""The demo without Kafka: its messages say what was received, and its comparison notices what is wrong."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from demo_outcomes import PATIENTS, through_the_steps, translations
from google.protobuf.json_format import MessageToDict
from typer.testing import CliRunner

from refrain.cli.commands import demo as command
from refrain.cli.demo import published, tables
from refrain.cli.demo.case import Case, case, synthetic
from refrain.cli.demo.compared import compare
from refrain.cli.demo.messages import escape, messages
from refrain.cli.demo.outcome import Outcome, name_results
from refrain.cli.demo.replay import Sent
from refrain.cli.main import app
from refrain.cli.questions import care_request


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return through_the_steps(case())


@pytest.fixture(params=PATIENTS.values(), ids=PATIENTS.keys())
def patient(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param()
    return found


@pytest.mark.parametrize(("who", "count"), [(case, 13), (synthetic, 42)], ids=PATIENTS.keys())
def test_every_message_is_published_whole_for_its_patient(who: Callable[[], Case], count: int) -> None:
    found = [translation for _, translation in translations(who())]
    assert len(found) == count
    assert {(one.outcome, one.reason, one.quarantined) for one in found} == {("published", None, ())}
    assert {report.patient for one in found for report in one.reports} == {who().patient}


def test_every_message_has_a_control_id_of_its_own(patient: Case) -> None:
    sent = [message for moment in patient.moments for message in messages(patient, moment)]
    assert len({message.split(b"|")[9] for message in sent}) == len(sent)


def test_received_text_comes_back_character_for_character(patient: Case) -> None:
    reports = [report for _, one in translations(patient) for report in one.reports]
    names = name_results(reports, patient.records())
    back = {(names[seen.result], seen.issued_at): seen for report in reports for seen in report.observations}
    for record in patient.records():
        seen, received = back[record["id"], datetime.fromisoformat(record["issued_at"])], record["received"]
        assert (seen.value.unit_raw or None, seen.range.text or None) == (received["unit"], received["range"])
        assert seen.value.text.split("^^L")[0] == received["value"]
        assert (seen.specimen, seen.lab, seen.status) == (record["specimen"], record["lab"], record["status"])
        assert (seen.method, list(seen.reported_flags)) == (record["method"], record.get("lab_interpretation", []))


def test_the_messages_are_the_same_bytes_every_time(patient: Case) -> None:
    assert [messages(patient, m) for m in patient.moments] == [messages(patient, m) for m in patient.moments]


def test_every_delimiter_is_escaped_once() -> None:
    assert escape(r"a|b^c&d~e\f") == r"a\F\b\S\c\T\d\R\e\E\f"


def test_care_events_travel_whole_over_grpc(patient: Case) -> None:
    for event in [*patient.standing, *(one for moment in patient.moments for one in moment.care_events)]:
        request = MessageToDict(care_request(event), preserving_proto_field_name=True)
        stated = event.body.model_dump(mode="json", exclude_none=True)
        kind = stated.pop("type")
        sent = {name: value for name, value in stated.items() if value not in ("", [], {})}
        assert request["body"] == {kind: sent}
        assert request["key"] == event.key
        assert ("known_from" in request) == (event.known_from is not None)


def test_everything_agrees(patient: Case) -> None:
    assert compare(through_the_steps(patient), patient).troubles == []


def test_a_result_that_did_not_come_out_is_named(outcome: Outcome) -> None:
    kept = tuple(report for report in outcome.flagged if len(report.observations) != 1)
    lost = compare(copy_of(outcome, flagged=kept), case()).lost
    assert "Result t0-vegf was sent and did not come out of flagging." in lost


def copy_of(outcome: Outcome, **changed: Any) -> Outcome:
    parts = {name: getattr(outcome, name) for name in Outcome.__dataclass_fields__}
    return Outcome(**parts | changed)


def expected(change: Callable[[dict[str, Any]], None], point: str = "T2") -> list[dict[str, Any]]:
    """The time points with one expectation changed."""
    points = copy.deepcopy(list(case().points))
    change(next(one["expect"] for one in points if one["id"] == point))
    return points  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda e: e["poems"]["VEGF"].update(call="NRV"), "call is CRV instead of NRV"),
        (lambda e: e["poems"]["VEGF"].update(confirmation="unconfirmed"), "confirmation is confirmed"),
        (lambda e: e["poems"]["VEGF"].update(confirmed_as_of="t2-vegf"), "confirmed_as_of is t1-vegf"),
        (lambda e: e["poems"]["VEGF"].update(nadir=50.63), "nadir is 42.35 instead of 50.63"),
        (lambda e: e["poems"]["VEGF"].update(percent_over_nadir=19.7), "percent_over_nadir is 19.6"),
        (lambda e: e["poems"]["HEMATOLOGIC"].update(candidate=None), "candidate is CRH instead of nothing"),
        (lambda e: e["poems"]["HEMATOLOGIC"]["reasons"].pop(), "reasons are"),
        (lambda e: e["poems"]["HEMATOLOGIC"]["levels"].update(CRH="MET"), "CRH is INCOMPLETE instead of MET"),
        (lambda e: e["poems"]["HEMATOLOGIC"]["components"].update(IFE_U="NEG"), "IFE_U is MISSING instead of NEG"),
        (lambda e: e["poems"]["CLINICAL"]["symptoms"].update({"leg weakness": "worse"}), "symptoms is"),
    ],
)
def test_a_call_that_differs_is_a_cross_and_a_sentence(
    outcome: Outcome, change: Callable[[dict[str, Any]], None], says: str
) -> None:
    wrong = [call.checked for call in published.calls(outcome, expected(change)) if not call.checked.agrees]
    assert len(wrong) == 1
    assert any(says in sentence for sentence in wrong[0].wrong)
    assert "✗" in tables.mark(wrong[0])


def test_an_alert_too_few_and_an_alert_too_many_are_named(outcome: Outcome) -> None:
    for points, says in (
        (expected(lambda e: e["alerts"].pop()), "was not expected"),
        (expected(lambda e: e["alerts"].append({"kind": "X", "tier": "P1", "subject": "Y"})), "X P1 Y is missing"),
    ):
        checked = [published.check_alerts(outcome, point, points) for point in points]
        assert [one.label for one in checked if not one.agrees] == ["T2 alerts"]
        assert says in " ".join(sentence for one in checked for sentence in one.wrong)


def test_a_flag_that_differs_is_named(outcome: Outcome) -> None:
    [seen] = [one for one in outcome.seen if one.name == "t0-b12"]
    record = copy.deepcopy(next(one for one in case().records() if one["id"] == "t0-b12"))
    assert published.check_flag(seen, record).agrees
    record["expect"]["interpretation"] = ["N"]
    record["expect"]["low"] = 181
    assert published.check_flag(seen, record).wrong == ("flag is L instead of N", "low is 180 instead of 181")


def test_what_must_never_appear_is_noticed(outcome: Outcome) -> None:
    rules = [{"id": "MN-0", "text": "never", "forbid_calls": ["CRV"], "forbid_codes": ["L"]}]
    [checked] = published.check_forbidden(outcome, rules)
    assert len(checked.wrong) == 2


def test_a_call_that_is_not_yet_there_is_not_taken_from_later(outcome: Outcome) -> None:
    before = outcome.snapshot_at(datetime(2025, 2, 3, 23, tzinfo=UTC))
    assert before is not None
    vegf = before.lines[0].axes["VEGF"]
    assert (vegf.call, vegf.confirmation) == ("CRV", "unconfirmed")
    assert outcome.snapshot_at(datetime(2024, 1, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("known", "says"), [(0, "Intake took 13 messages"), (13, "knew all 13"), (4, "knew 4 of 13 messages")]
)
def test_what_was_known_already_is_said(known: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    command._told(Sent(13, known, ()), case())
    assert says in capsys.readouterr().out


@pytest.mark.parametrize("ci", [True, False], ids=["CI", "at a desk"])
def test_a_difference_is_exit_code_1_and_ci_takes_the_stack_down(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ci: bool
) -> None:
    downs: list[str] = []
    monkeypatch.setenv("REFRAIN_HOME", str(tmp_path))
    monkeypatch.setenv("CI", "true") if ci else monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(command.Stack, "up", lambda *_: {"viewer": "told-once"})
    monkeypatch.setattr(command, "_run", lambda _: ["T2 VEGF: call is NRV instead of CRV."])
    monkeypatch.setattr(command.Stack, "down", lambda _: downs.append("down"))
    shown = CliRunner().invoke(app, ["demo"])
    assert shown.exit_code == 1
    assert "✗ T2 VEGF: call is NRV instead of CRV." in shown.output
    assert downs == (["down"] if ci else [])
    assert ("told-once" in shown.output) is not ci
