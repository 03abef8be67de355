"""What an attacker, or somebody curious, tries at the pages of patients: markup in data, looks that nobody sees."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from refrain.contracts.events import Acknowledged, Actor, Alert, Event
from services.chart.adapters.read_model import ReadModel
from services.chart.adapters.web.console import Console
from services.chart.adapters.web.render import HERE, ending
from services.chart.adapters.web.security import LIVE
from tests.chart.pages.conftest import Fill
from tests.chart.pages.stories import Case, Published, action, case, told

Browser = Callable[..., TestClient]
PLANT = "\"'><plant onplant=1 src=//evil.test></script><plant>{{ 7 * 7 }}"
TEXTS = {
    "text", "name", "sender", "lab", "system", "code", "unit_raw", "specimen_raw", "segment", "what_changed", "reason",
    "comment", "cell", "unit", "method", "source", "before", "after", "collected_from", "issued_from", "lesion",
    "state", "nominal", "ordinal", "reported_flags", "tags", "held", "quality", "reasons", "caveats", "call", "level",
    "sex",
}  # fmt: skip
"""Members of events that hold what somebody wrote, or a code in whose place somebody could put a text."""


class Planter:
    """Puts the plant into every such member that takes it; remembers which places do."""

    def __init__(self) -> None:
        self.takes: dict[tuple[type[Event], str], bool] = {}

    def __call__(self, published: Published) -> Published:
        topic, event = published
        data = event.model_dump(mode="json")
        for holder, key, path in self._places(data, "", ""):
            known = (type(event), path)
            before, holder[key] = holder[key], PLANT
            if not self.takes.setdefault(known, _is_valid(type(event), data)):
                holder[key] = before
        return topic, type(event).model_validate(data)

    def _places(self, value: Any, name: str, path: str) -> Iterator[tuple[Any, Any, str]]:
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in items:
            called = key if isinstance(key, str) else name
            if isinstance(inner, dict | list):
                yield from self._places(inner, called, f"{path}.{called}")
            elif isinstance(inner, str) and called in TEXTS:
                yield value, key, f"{path}.{called}.{value.get('type', '') if isinstance(value, dict) else ''}"


def _is_valid(kind: type[Event], data: dict[str, Any]) -> bool:
    try:
        kind.model_validate(data)
    except ValueError:
        return False
    return True


class Markup(HTMLParser):
    """What of a page a browser would act on: elements of the plant, handlers, scripts that run, addresses elsewhere."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attributes}
        runs = tag == "script" and "src" not in known and known.get("type") != "application/json"
        elsewhere = any(known.get(name, "").startswith(("//", "http", "javascript")) for name in ("src", "href"))
        if tag == "plant" or runs or elsewhere or any(name.startswith("on") for name in known):
            self.found.append(f"<{tag} {known}>")


def _pages(read_model: ReadModel, story: Case) -> Iterator[str]:
    """Every page and part about a patient: of each analyte one result, of each kind one alert."""
    chart = f"/patients/{story.chart_id}"
    yield from ("/?shown=all", "/?view=laboratory&shown=all", "/patients", chart, "/feed/dead-letters", "/admin/looks")
    yield from (f"{chart}/alerts", f"{chart}/moments?every=true", f"{chart}/results", f"{chart}/newer?after=0")
    for subject, row in {row.subject: row for row in read_model.latest(story.patient.key)}.items():
        yield from (f"{chart}/results/{row.result}", f"/why/{row.result}")
        yield from (f"{chart}/curves/{quote(subject)}", f"{chart}/join/{quote(subject)}")
    alerts = read_model.alerts(key=story.patient.key, processing=None, limit=200)
    for row in {(row.kind, row.fact_state): row for row in alerts}.values():
        yield from (f"/alerts/{row.alert}", f"/why/{row.alert}", f"/alerts/{row.alert}/answer")
    course = read_model.course(story.patient.key)
    for line in course.lines if course else ():
        yield from (f"{chart}/why/{line.line}/{axis}?rule_set={line.rule_set}" for axis in line.axes)
    for event in {event.body.type: event for event in read_model.care_events(story.patient.key)}.values():
        yield f"{chart}/record/{event.body.type}?event={event.event_id}"


def test_nothing_that_came_with_the_data_is_markup(client_as: Browser, fill: Fill, read_model: ReadModel) -> None:
    story, plant = case("synthetic-001"), Planter()
    fill([plant(one) for one in story.published])
    alert = next(event for _, event in story.published if isinstance(event, Alert))
    said = Acknowledged(reason="other", override=False, comment=PLANT)
    actor = Actor(type="person", id=PLANT, role=PLANT, via="console")
    at = alert.recorded_at + timedelta(minutes=1)
    fill([action(story, alert.alert, 1, at, body=said, actor=actor, state="acknowledged", kind=alert.kind)])
    assert sum(plant.takes.values()) > 40
    clients = [client_as("clinician"), client_as("administrator")]
    answers = [client.get(path) for path in _pages(read_model, story) for client in clients]
    shown = [answer for answer in answers if answer.status_code == 200]
    assert sum("plant" in answer.text for answer in shown) > 60
    assert [(answer.url.path, found) for answer in answers if (found := Markup(answer.text).found)] == []
    assert {answer.status_code for answer in answers} <= {200, 403}


def test_no_template_lets_markup_through() -> None:
    for template in (HERE / "templates").glob("*.html"):
        assert not re.search(r"\|\s*safe|autoescape|tojson", template.read_text("utf-8")), template.name


def test_who_says_that_a_page_refreshes_itself_is_seen_all_the_same(client_as: Browser, console: Console) -> None:
    browser = client_as("viewer")
    for path in ("/?shown=all", "/?shown=all", "/?view=laboratory"):
        assert browser.get(path, headers={LIVE: "1"}).status_code == 200
    looks = [(look.what, look.subject) for look in console.audit.looks(person="viewer")]
    assert looks == [("work list", "/?view=laboratory&shown=waiting"), ("work list", "/?view=ward&shown=all")]


def test_nor_is_it_enough_that_somebody_else_looked(client_as: Browser, console: Console) -> None:
    client_as("clinician").get("/?view=ward")
    client_as("viewer").get("/?view=ward", headers={LIVE: "1"})
    assert [look.person for look in console.audit.looks()] == ["viewer", "clinician"]


def test_a_look_lasts_no_longer_than_a_session(
    make_console: Callable[..., Console], client_as: Browser, clock: Any
) -> None:
    console = make_console(now=clock, session_hours=1)
    client_as("viewer", console=console).get("/")
    clock.passes(hours=2)
    browser = client_as("viewer", console=console)
    browser.get("/", headers={LIVE: "1"})
    assert len(console.audit.looks(person="viewer")) == 2


def test_whom_a_search_finds_was_looked_at(client_as: Browser, console: Console, synthetic: Case) -> None:
    browser = client_as("viewer")
    browser.post("/patients", data={"query": synthetic.patient.id})
    browser.post("/patients", data={"query": "nobody has this"})
    looks = [(look.what, look.patient) for look in console.audit.looks(person="viewer")]
    assert looks == [("patients", None), ("patients", str(synthetic.chart_id))]
    assert synthetic.patient.id not in str(console.audit.looks())


def test_a_title_does_not_tell_whose_page_it_is(client_as: Browser, synthetic: Case, read_model: ReadModel) -> None:
    browser, number = client_as("clinician"), synthetic.patient.id
    for path in _pages(read_model, synthetic):
        found = re.search("<title>(.*)</title>", browser.get(path).text)
        assert found is None or number not in found[1], path
    assert ending("0004711") == "…711"


@pytest.mark.parametrize(
    "path",
    [
        "/?after=1.9{0}.00000000-0000-0000-0000-000000000001", "/feed/dead-letters?after=9{0}.x",
        "/admin/changes?before=9{0}", "/admin/looks?before=9{0}", "/patients/{1}/newer?after=9{0}",
        "/patients/{1}/results?before=9{0}.{1}", "/patients/{1}/moments?limit=9{0}",
        "/patients/{1}/alerts?after=9{0}.9.{1}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("zeros", [20, 130, 5000])
def test_a_number_that_no_row_can_have_is_no_defect(client_as: Browser, synthetic: Case, path: str, zeros: int) -> None:
    answer = client_as("administrator").get(path.format("0" * zeros, synthetic.chart_id))
    assert answer.status_code in (200, 400, 422)


def test_a_subject_of_any_length_is_written_down(client_as: Browser, console: Console, synthetic: Case) -> None:
    assert client_as("viewer").get(f"/patients/{synthetic.chart_id}/curves/{'x' * 5000}").status_code == 404
    [look] = console.audit.looks(person="viewer")
    assert look.subject == "x" * 200


def test_a_code_with_a_slash_has_its_curve_too(client_as: Browser, fill: Fill) -> None:
    """Laboratories name ratios so; on the patient's screen the code is part of the part's address."""
    document = json.loads(files("refrain.cli.demo").joinpath("synthetic-001.json").read_text("utf-8"))
    document["timepoints"][0]["observations"][0] |= {"code": "K/L <ratio>", "loinc": None}
    story = told(document)
    fill(story.published)
    browser = client_as("viewer")
    page = browser.get(f"/patients/{story.chart_id}").text
    [address] = set(re.findall(r'hx-get="([^"]*K/L[^"]*)"', page))
    assert "K/L &lt;ratio&gt;" in browser.get(address).text
