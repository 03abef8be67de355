"""The one screen of a patient: what it says about the case report and about the one who relapses."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from services.chart.adapters.read_model import ReadModel
from services.chart.adapters.web.console import Console
from services.chart.adapters.web.pages import patient_parts
from tests.chart.pages.conftest import Fill
from tests.chart.pages.reading import said
from tests.chart.pages.stories import Case, action, case

Browser = Callable[..., TestClient]


@pytest.fixture
def page(client_as: Browser, case_report: Case) -> str:
    return said(client_as("clinician").get(f"/patients/{case_report.chart_id}"))


@pytest.fixture
def relapse(client_as: Browser, synthetic: Case) -> str:
    return said(client_as("clinician").get(f"/patients/{synthetic.chart_id}"))


def part(browser: TestClient, case: Case, path: str) -> str:
    answer = browser.get(f"/patients/{case.chart_id}/{path}", headers={"HX-Request": "true"})
    assert answer.status_code == 200
    return answer.text


def test_a_call_stands_in_words_with_its_confirmation(page: str) -> None:
    assert "Complete VEGF response (CRV), confirmed" in page
    assert "Complete PET response (CR-PET), needs no confirmation" in page
    assert "Improved: some features better, none worse" in page


def test_a_candidate_is_never_shown_as_the_call(page: str) -> None:
    assert "Complete hematologic response (CRH) is a candidate, not confirmed: urine immunofixation missing." in page
    assert "Nothing is proven (NEH)" in page
    assert "urine immunofixation missing (URINE_IFE_MISSING)" in page


def test_a_call_stands_with_what_it_is_measured_against(page: str) -> None:
    assert "Baseline 247.26 pg/mL, 2025-01-02" in page
    assert "Lowest of the line 42.35 pg/mL, 2025-02-03" in page
    assert "From baseline -79.5 %" in page
    assert "Over the lowest +19.6 %" in page
    assert "Times upper limit 0.32 × ULN" in page
    assert "Best response complete VEGF response (CRV), since 2025-02-03" in page


def test_caveats_and_open_questions_stand_beside_the_call_they_touch(page: str) -> None:
    assert "the baseline was below twice the upper limit (BASELINE_BELOW_2X_ULN)" in page
    assert "Open data questions specimen unclear: VEGF" in page


def test_rule_version_source_and_mark_stand_behind_the_call(page: str) -> None:
    assert "Rule POEMS-V-CRV version 1.0.0, source DS12-T; not verified: a clinician must sign it" in page


def test_what_is_overdue_is_listed_with_its_day(page: str) -> None:
    assert "overdue since 2025-03-03 prolactin abnormal at baseline and to be repeated (GAP-1)" in page
    assert "first negative serum immunofixation without a urine one (GAP-2)" in page


def test_a_repaired_value_shows_what_was_sent_and_that_it_waits(client_as: Browser, case_report: Case) -> None:
    text = said(part(client_as("viewer"), case_report, "results?analyte=IGG"))
    assert "11.29 g/L sent as “11.29 mg/L”" in text
    assert "repair waits for review" in text
    assert "held: not used in the course" in text


def test_an_unflagged_value_never_reads_as_normal(client_as: Browser, fill: Fill) -> None:
    story = case("case-report")
    fill([one for one in story.published if one[0].name.startswith("lab-reports")])
    answer = client_as("clinician").get(f"/patients/{story.chart_id}")
    assert "not judged yet" in said(answer)
    assert "normal (N)" not in said(answer)
    assert "Nothing was assessed yet." in said(answer)


def test_a_confirmed_progression_and_an_open_watch_say_what_is_asked_for(relapse: str) -> None:
    assert "VEGF progression (PDV), confirmed" in relapse
    assert "Relapse ladder confirmed (CONFIRMED)" in relapse
    assert "M-protein has risen, or the original band may be back (PDH unconfirmed): a second sample decides" in relapse
    assert "(WATCH); repeat from 2025-10-13 to 2025-10-27" in relapse
    assert "repeat sample for the hematologic watch" in relapse


def test_the_page_is_of_the_sites_day(
    make_console: Callable[..., Console], client_as: Browser, synthetic: Case
) -> None:
    before = make_console(now=lambda: datetime(2025, 10, 20, tzinfo=UTC))
    page = said(client_as("clinician", console=before).get(f"/patients/{synthetic.chart_id}"))
    assert "due 2025-10-13 to 2025-10-27 repeat sample for the hematologic watch" in page
    late = make_console(now=lambda: datetime(2025, 11, 3, tzinfo=UTC))
    page = said(client_as("clinician", console=late).get(f"/patients/{synthetic.chart_id}"))
    assert "overdue since 2025-10-27 repeat sample for the hematologic watch" in page, "not since its first day"


def test_a_corrected_value_is_struck_through(client_as: Browser, synthetic: Case, read_model: ReadModel) -> None:
    rows = [row for row in read_model.results(synthetic.patient.key, limit=500) if row.corrected]
    assert rows
    text = part(client_as("viewer"), synthetic, "curves/VEGF")
    vegf = [row for row in rows if row.analyte == "VEGF"]
    assert vegf
    for row in vegf:
        before = read_model.versions(row.result)[0].text
        assert f"<del>{before}</del>" in text
        assert f"corrected from “{before}”" in text
    assert '"kind": "old"' in text


def test_the_ward_is_not_asked_what_is_the_laboratorys(client_as: Browser, synthetic: Case) -> None:
    def waiting(role: str) -> str:
        text = said(client_as(role).get(f"/patients/{synthetic.chart_id}"))
        return text.split("Waiting for an answer")[1].split("Course Line")[0]

    assert "Data question (DQ)" not in waiting("clinician")
    assert "Data question (DQ)" in waiting("laboratory")


def test_only_who_may_record_is_offered_to(client_as: Browser, case_report: Case) -> None:
    path = f"/patients/{case_report.chart_id}"
    assert f"{path}/record/drug" in client_as("clinician").get(path).text
    assert "/record/" not in client_as("viewer").get(path).text


def test_a_curve_has_a_name_a_description_and_its_table(client_as: Browser, case_report: Case) -> None:
    text = part(client_as("viewer"), case_report, "curves/VEGF")
    [name] = re.findall(r'aria-labelledby="([\w-]+)"', text)
    [described] = re.findall(r'aria-describedby="([\w-]+)"', text)
    assert f'id="{name}"' in text
    assert f'id="{described}"' in text
    assert 'role="img"' in text
    assert "<details>" in text
    for value in ("247.26 pg/mL", "42.35 pg/mL", "50.63 pg/mL"):
        assert value in text.split("<details>")[1]
    assert '<span class="badge info">baseline</span>' in text


def test_a_curve_holds_its_document_as_data_that_ends_no_script(client_as: Browser, case_report: Case) -> None:
    text = part(client_as("viewer"), case_report, "curves/VEGF")
    document = text.split('<script type="application/json">')[1].split("</script>")[0]
    assert "<" not in document
    assert '"vconcat"' in document


def test_a_curve_of_what_was_never_measured_is_a_sentence(client_as: Browser, case_report: Case) -> None:
    answer = client_as("viewer").get(f"/patients/{case_report.chart_id}/curves/NOTHING")
    assert answer.status_code == 404
    assert "No result of this analyte counts any more." in said(answer)


def test_every_result_is_on_some_page(
    client_as: Browser, synthetic: Case, read_model: ReadModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient_parts, "RESULTS_PAGE", 7)
    browser, path, shown = client_as("viewer"), "results", set()
    while path:
        text = part(browser, synthetic, path)
        shown |= set(re.findall(r"/results/([0-9a-f-]{36})", text))
        older = re.findall(r"results\?before=[^\"]+", text)
        path = older[0].replace("&amp;", "&") if older else ""
    assert shown == {str(row.result) for row in read_model.results(synthetic.patient.key, limit=500)}


def test_results_of_one_analyte_are_chosen(client_as: Browser, case_report: Case) -> None:
    text = part(client_as("viewer"), case_report, "results?analyte=VEGF")
    assert text.count('<th scope="row">') == 3


def test_a_page_of_results_that_is_not_ours_is_a_sentence(client_as: Browser, case_report: Case) -> None:
    answer = client_as("viewer").get(f"/patients/{case_report.chart_id}/results?before=nonsense")
    assert answer.status_code == 400


def test_who_was_told_and_what_was_withdrawn(
    client_as: Browser, synthetic: Case, fill: Fill, read_model: ReadModel
) -> None:
    rows = read_model.alerts(key=synthetic.patient.key, limit=500)
    newest = next(row.alert for row in rows if row.kind == "VEGF_PROGRESSION_CONFIRMED")
    at = datetime(2025, 10, 1, 12, tzinfo=UTC)
    told = {"type": "told", "to": {"person": "dr-vega", "channel": "mail"}, "occasion": "raised", "level": 0,
            "delivery": str(uuid4())}  # fmt: skip
    done = {"type": "acknowledged", "reason": "will_act", "override": False}
    fill([
        action(synthetic, newest, 1, at, state="delivered", body=told),
        action(synthetic, newest, 2, at + timedelta(minutes=9), state="acknowledged", body=done,
               actor={"type": "person", "id": "dr-vega", "role": "clinician"}),
    ])  # fmt: skip
    text = said(part(client_as("viewer"), synthetic, "alerts"))
    assert "2025-10-01 12:00: dr-vega was told the alert over mail" in text
    assert "2025-10-01 12:09: acknowledged: I will act on it" in text
    assert "withdrawn" in text


def test_every_alert_is_on_some_page(
    client_as: Browser, synthetic: Case, read_model: ReadModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient_parts, "ALERTS_PAGE", 3)
    browser, path, shown = client_as("viewer"), "alerts", set()
    while path:
        text = part(browser, synthetic, path)
        shown |= set(re.findall(r'href="/alerts/([0-9a-f-]{36})"', text))
        older = re.findall(r"alerts\?after=[^\"]+", text)
        path = older[0] if older else ""
    assert shown == {str(row.alert) for row in read_model.alerts(key=synthetic.patient.key, limit=500)}


def test_calls_are_shown_as_they_were_at_the_time(client_as: Browser, synthetic: Case) -> None:
    text = said(part(client_as("viewer"), synthetic, "moments?limit=500"))
    assert "line 1, VEGF: complete VEGF response (CRV) confirmed" in text
    assert "VEGF has risen (PDV unconfirmed): a second sample decides" in text
    assert "VEGF progression (PDV) confirmed" in text
    assert text.index("VEGF progression (PDV) confirmed") < text.index("VEGF has risen (PDV unconfirmed)")


def test_a_long_history_comes_page_by_page(client_as: Browser, synthetic: Case) -> None:
    text = part(client_as("viewer"), synthetic, "moments?limit=2&every=true")
    assert text.count('<th scope="row">') == 2
    assert "limit=52" in text


def test_news_are_told_without_what_they_say(client_as: Browser, case_report: Case, read_model: ReadModel) -> None:
    newest = read_model.newest_change()
    browser = client_as("viewer")
    assert "New facts" not in part(browser, case_report, f"newer?after={newest}")
    news = part(browser, case_report, f"newer?after={newest - 1}")
    assert "New facts about this patient came in." in news
    assert case_report.patient.id not in news


def test_an_unknown_patient_is_a_sentence(client_as: Browser) -> None:
    for path in ("", "/curves/VEGF", "/results", "/alerts", "/moments", "/newer?after=0"):
        answer = client_as("viewer").get(f"/patients/{uuid4()}{path}")
        assert answer.status_code == 404
        assert "There is no such patient here." in said(answer)


def test_every_look_is_written_down(client_as: Browser, console: Console, case_report: Case) -> None:
    browser = client_as("viewer")
    for path in ("", "/curves/VEGF", "/results", "/alerts", "/moments"):
        browser.get(f"/patients/{case_report.chart_id}{path}")
    looks = console.audit.looks(patient=str(case_report.chart_id))
    assert [(look.what, look.subject) for look in reversed(looks)] == [
        ("patient", ""), ("curve", "VEGF"), ("results", ""), ("alerts", ""), ("history", ""),
    ]  # fmt: skip


def test_no_page_keeps_patient_data_in_a_cache(client_as: Browser, case_report: Case) -> None:
    answer = client_as("viewer").get(f"/patients/{case_report.chart_id}")
    assert answer.headers["cache-control"] == "no-store"


def test_the_hospitals_own_record_is_linked_where_a_site_says_how(
    make_console: Callable[..., Console], client_as: Browser, case_report: Case
) -> None:
    linked = make_console(patient_link="https://ehr.example.org/{authority}/{id}")
    answer = client_as("viewer", console=linked).get(f"/patients/{case_report.chart_id}")
    assert f'href="https://ehr.example.org/{case_report.patient.authority}/{case_report.patient.id}"' in answer.text


def test_the_newest_results_stand_in_the_order_the_course_is_judged_by(client_as: Browser, synthetic: Case) -> None:
    text = client_as("viewer").get(f"/patients/{synthetic.chart_id}").text
    latest = text[text.index('id="latest"') : text.index('id="context"')]
    shown = re.findall(r'<small class="soft">(\w+)</small></th>', latest)
    assert shown[:4] == ["VEGF", "VEGF", "MPROT_S", "IFE_S"]
    days = re.findall(r'data-label="Collected">\s*<time datetime="([^"]+)"', latest)
    assert days[0] > days[1], "of two series the newest first"


PARTS = ("curves/VEGF", "curves/B12", "alerts", "moments", "moments?every=true", "results", "results?analyte=VEGF")


@pytest.mark.parametrize("path", PARTS)
def test_a_part_is_a_page_of_its_own_for_a_browser_that_runs_no_scripts(
    client_as: Browser, synthetic: Case, path: str
) -> None:
    browser = client_as("viewer")
    whole = browser.get(f"/patients/{synthetic.chart_id}/{path}")
    assert whole.text.startswith("<!doctype html>")
    assert "patient …001" in whole.text
    alone = part(browser, synthetic, path)
    assert not alone.startswith("<!doctype html>")
    assert said(alone).split()[:20] == said(whole.text.split("<h1>")[1].split("</h1>")[1]).split()[:20]


def test_without_scripts_nothing_of_a_patient_is_out_of_reach(
    client_as: Browser, synthetic: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every part that scripts fetch is a link too, and so is every further page of it."""
    monkeypatch.setattr(patient_parts, "RESULTS_PAGE", 20)
    monkeypatch.setattr(patient_parts, "ALERTS_PAGE", 3)
    browser = client_as("viewer")
    at = f"/patients/{synthetic.chart_id}"
    seen, waiting = set(), [at]
    while waiting:
        path = waiting.pop()
        seen.add(path)
        text = browser.get(path).text
        fetched = {one.replace("&amp;", "&") for one in re.findall(r'hx-get="([^"]+)"', text)}
        linked = {one.replace("&amp;", "&") for one in re.findall(r'(?:href|action)="([^"]+)"', text)}
        assert {one for one in fetched if "/newer" not in one} <= linked, path
        waiting += sorted(fetched & linked - seen - set(waiting))
    kinds = {path.removeprefix(at).split("?")[0].split("/")[1] for path in seen if path != at}
    assert kinds == {"curves", "alerts", "moments", "results"}
    assert len([path for path in seen if "/results?before=" in path]) >= 3
    assert "being fetched" not in browser.get(at).text
