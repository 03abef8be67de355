"""The whole stack as people use it: after the demo, each role clicks through every page of the console in Chromium.

``REFRAIN_SCREENSHOTS=docs/images`` also keeps the pictures that the docs show.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from refrain.cli.home import Home
from refrain.cli.supervision import Supervisor

pytestmark = [pytest.mark.tools, pytest.mark.timeout(600)]

CHROMIUM = shutil.which("chromium") or ""
PATIENCE_MILLISECONDS = 30_000
DESK = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}
TABLET = {"width": 1030, "height": 740}
PICTURES = os.environ.get("REFRAIN_SCREENSHOTS")
COURSE_PIXELS = 1330
"""So much of the patient's page is its head and its axes."""


class Stack:
    """The stack of one directory after ``refrain demo``: the console's address, and the passwords that it printed."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / ".refrain"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KAFKA_", "CI"))}
        self.environment = kept | {"REFRAIN_HOME": str(self.home)}
        self.folder = folder

    def refrain(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "refrain.cli.main", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, check=False, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{json.loads((self.home / 'ports' / 'chart.json').read_text())['http']}"

    @property
    def passwords(self) -> dict[str, str]:
        return dict(json.loads((self.home / "passwords.json").read_text()))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = Stack(tmp_path_factory.mktemp("demo"))
    try:
        said = running.refrain("demo")
        assert running.address in said
        yield running
    finally:
        running.refrain("down", "--wipe")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    assert CHROMIUM, "Chromium is needed: apt-get install --no-install-recommends chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


Visit = Callable[..., Page]

TOO_WIDE = """(width) => [...document.querySelectorAll("main *")]
  .filter((one) => one.getBoundingClientRect().right > width)
  .map((one) => one.outerHTML.slice(0, 150)).slice(0, 5)"""
"""What sticks out."""
TORN = """() => [...document.querySelectorAll("main .badge")].flatMap((badge) => {
  const text = badge.lastChild;
  if (!text || text.nodeType !== Node.TEXT_NODE || badge.offsetParent === null) return [];
  return [...text.data.matchAll(/\\S+/g)].filter((word) => {
    const range = document.createRange();
    range.setStart(text, word.index);
    range.setEnd(text, word.index + word[0].length);
    return new Set([...range.getClientRects()].map((one) => one.top)).size > 1;
  }).map((word) => word[0]);
}).slice(0, 5)"""
"""Words of badges that go on in the next line: "no", "rm", "al" is read by nobody."""


class Complaints:
    """What the browser complained of on any page, and addresses outside the console."""

    def __init__(self, address: str) -> None:
        self.found: list[str] = []
        self._address = address

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.found.append(f"{page.url}: {error}"))
        page.on("console", lambda said: self.found.append(f"{page.url}: {said.text}") if said.type == "error" else None)
        page.on("request", lambda asked: self._outside(asked.url))

    def _outside(self, url: str) -> None:
        if not url.startswith((self._address, "data:", "blob:")):
            self.found.append(f"asked for {url}")


@pytest.fixture
def visit(stack: Stack, chromium: Browser) -> Iterator[Visit]:
    """``visit("clinician")``: a page that this person is signed in on. At the end nothing was complained of."""
    complaints = Complaints(stack.address)
    contexts: list[BrowserContext] = []

    def signed_in(person: str, viewport: Any = DESK, scheme: Any = "light", *, complaining: bool = True) -> Page:
        context = chromium.new_context(viewport=viewport, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        if complaining:
            complaints.watch(page)
        page.goto(f"{stack.address}/signin")
        page.get_by_label("Name").fill(person)
        page.get_by_label("Password").fill(stack.passwords[person])
        page.keyboard.press("Enter")
        page.wait_for_url(f"{stack.address}/")
        return page

    yield signed_in
    for context in contexts:
        context.close()
    assert complaints.found == []


def picture(shown: Page | Locator, name: str, **how: Any) -> None:
    """One of those that ``docs/console.md`` shows."""
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        shown.screenshot(path=str(Path(PICTURES) / f"{name}.png"), **how)


def is_accessible(page: Page) -> None:
    """No violation that axe can see (WCAG 2 A and AA), and nothing wider than the screen."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    violations = Axe().run(page).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in violations] == [], page.url
    assert page.evaluate(TORN) == [], page.url
    width = page.viewport_size["width"] if page.viewport_size else 0
    for _ in range(50):  # curves follow a changed width a moment later
        if page.evaluate("document.documentElement.scrollWidth") <= width:
            return
        page.wait_for_timeout(100)
    pytest.fail(f"{page.url} is wider than its screen: {page.evaluate(TOO_WIDE, width)}")


def open_patient(page: Page, stack: Stack, number: str) -> str:
    """The path of a patient's page, found by number."""
    page.goto(f"{stack.address}/patients")
    page.get_by_role("searchbox").or_(page.get_by_label("number", exact=False)).first.fill(number)
    page.keyboard.press("Enter")
    page.get_by_role("link", name=number).first.click()
    page.wait_for_url("**/patients/*")
    return page.url


def curves_are_drawn(page: Page) -> int:
    expect(page.locator("main svg.marks").first).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    return page.locator("main svg.marks").count()


def test_the_work_list_is_answered_in_place_and_follows_live(stack: Stack, visit: Visit) -> None:
    page, other = visit("clinician"), visit("viewer")
    rows = page.locator("#list tbody tr[id^=alert-]")
    expect(rows.first).to_be_visible()
    picture(page, "work-list")
    is_accessible(page)
    watched = (
        page.locator("#list tr", has_text="Haematologic").or_(page.locator("#list tr", has_text="M-protein")).first
    )
    alert = watched.get_attribute("id") or ""
    expect(other.locator(f"#{alert}")).to_be_visible()
    watched.get_by_role("link", name="Answer").click()
    forms = page.locator("tr.answering")
    expect(forms).to_be_visible()
    is_accessible(page)
    forms.get_by_role("button", name="Acknowledge").click()
    assert forms.get_by_label("Reason").evaluate("(one) => !one.validity.valid"), "the browser asks for a reason"
    forms.get_by_label("Reason").select_option("other")
    forms.get_by_role("button", name="Acknowledge").click()
    expect(forms.get_by_role("alert")).to_contain_text("needs a comment")
    forms.get_by_label("Reason").select_option("will_act")
    forms.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("Acknowledged by clinician")).to_be_visible()
    expect(other.locator(f"#{alert}")).to_have_count(0)  # the other page heard of it without reload
    expect(page.locator(f"#{alert}")).to_have_count(0)
    page.goto(f"{stack.address}/alerts/{alert.removeprefix('alert-')}")
    expect(page.get_by_text("acknowledged: I will act on it")).to_be_visible()
    is_accessible(page)


def test_a_critical_result_is_read_back_by_keyboard(visit: Visit) -> None:
    page = visit("clinician")
    page.get_by_role("link", name="Critical result").first.click()
    page.wait_for_url("**/alerts/*")
    picture(page, "critical-alert", full_page=True)
    is_accessible(page)
    page.get_by_label("Who read it back").focus()
    page.keyboard.type("nurse on ward 4")
    for _ in range(3):
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
    page.get_by_role("button", name="Record the read-back").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nobody needs to answer this alert any more")).to_be_visible()


def test_the_case_reports_patient_on_one_screen(stack: Stack, visit: Visit) -> None:
    page = visit("clinician")
    open_patient(page, stack, "case-dkrd-001")
    assert curves_are_drawn(page) >= 1
    is_accessible(page)
    main = page.locator("main")
    expect(main).to_contain_text("complete VEGF response")
    expect(main).to_contain_text("urine immunofixation")
    page.locator("main a[href*='/why/']").first.click()
    page.wait_for_url("**/why/**")
    picture(page, "why", full_page=True)
    is_accessible(page)


def test_the_synthetic_patients_corrections_are_visible(stack: Stack, visit: Visit) -> None:
    page = visit("clinician")
    address = open_patient(page, stack, "synthetic-001")
    curves_are_drawn(page)
    picture(page, "patient-course", full_page=True, clip={"x": 0, "y": 0, "width": 1280, "height": COURSE_PIXELS})
    picture(page.locator("figure.curve").first, "patient-curve")
    is_accessible(page)
    assert page.locator("main del, main s").count() >= 1
    expect(page.locator("#latest")).to_contain_text("POS IgA lambda")
    expect(page.locator("#latest")).not_to_contain_text("^^L")
    page.goto(f"{stack.address}/?shown=all")
    page.get_by_role("link", name="VEGF progression confirmed").last.click()
    page.wait_for_url("**/alerts/*")
    page.goto(address)
    for scheme, viewport in (("dark", DESK), ("light", PHONE), ("light", TABLET)):
        other = visit("viewer", viewport, scheme)
        other.goto(address)
        curves_are_drawn(other)
        is_accessible(other)


def test_a_care_event_is_recorded_through_intake(stack: Stack, visit: Visit) -> None:
    page = visit("clinician")
    address = open_patient(page, stack, "synthetic-001")
    page.get_by_role("link", name="infection", exact=True).last.click()
    is_accessible(page)
    page.get_by_label("Infection").fill("sinusitis")
    page.get_by_label("First day").fill("2025-11-03")
    page.get_by_role("button", name="Record").click()
    expect(page.locator("main")).to_contain_text("ecorded")
    page.goto(address)
    expect(page.locator("main")).to_contain_text("sinusitis", timeout=PATIENCE_MILLISECONDS)


def test_the_laboratory_cures_what_could_not_be_used(stack: Stack, visit: Visit) -> None:
    page = visit("laboratory")
    page.get_by_role("link", name="Feed").click()
    expect(page.get_by_role("heading", name="Could not be used")).to_be_visible()
    picture(page, "feed", full_page=True)
    is_accessible(page)
    page.goto(f"{stack.address}/feed/quarantine")
    is_accessible(page)
    page.locator("tbody a").first.click()
    page.wait_for_url("**/feed/quarantine/*")
    expect(page.locator("ol.raw")).to_be_visible()
    picture(page, "quarantine", full_page=True)
    is_accessible(page)
    page.get_by_role("button", name="Drive it again").click()
    expect(page.get_by_role("heading", name="Driven again")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("still cannot be used")
    is_accessible(page)
    page.get_by_role("link", name="The entry").click()
    page.get_by_label("Or take it off the list because").select_option(index=1)
    page.get_by_role("button", name="Resolve").click()
    expect(page.locator("dl.facts")).to_contain_text("resolved")


def test_the_administrator_sees_who_looked(visit: Visit) -> None:
    page = visit("administrator")
    for name in ("People", "Looks"):
        page.get_by_role("navigation", name="Main").get_by_role("link", name=name).click()
        is_accessible(page)
    expect(page.locator("main")).to_contain_text("clinician")


def test_every_page_reads_on_a_phone(stack: Stack, visit: Visit) -> None:
    page = visit("laboratory", PHONE)
    for path in (
        "/",
        "/?view=ward&shown=all",
        "/patients",
        "/feed",
        "/feed/quarantine?state=all",
        "/feed/dead-letters",
    ):
        page.goto(stack.address + path)
        is_accessible(page)
    picture(visit("clinician", PHONE), "phone")


def test_a_list_that_stands_still_says_so_and_follows_again(stack: Stack, visit: Visit) -> None:
    """Without this a ward would look quiet whose console is gone. The browser itself complains of the lost stream."""
    page = visit("viewer", complaining=False)
    expect(page.locator("#list tbody tr").first).to_be_visible()
    supervisor = Supervisor(Home(stack.home))
    supervisor.stop_process("chart")
    try:
        expect(page.get_by_role("alert")).to_contain_text("No connection to the console since")
        expect(page.locator("#list tbody tr").first).to_be_visible()
    finally:
        supervisor.start_process("chart")
    expect(page.get_by_text("No connection to the console")).to_have_count(0, timeout=2 * PATIENCE_MILLISECONDS)
    expect(page.locator("#list tbody tr").first).to_be_visible()


def test_while_notify_is_away_the_console_says_so_and_goes_on(stack: Stack, visit: Visit) -> None:
    page = visit("laboratory")
    supervisor = Supervisor(Home(stack.home))
    supervisor.stop_process("notify")
    try:
        page.goto(f"{stack.address}/feed")
        expect(page.get_by_text("notify does not answer")).to_be_visible()
        page.goto(stack.address)
        expect(page.locator("#list tbody tr").first).to_be_visible()
    finally:
        supervisor.start_process("notify")
    for _ in range(30):
        page.goto(f"{stack.address}/feed")
        if page.get_by_text("notify does not answer").count() == 0:
            return
        page.wait_for_timeout(1000)
    pytest.fail("the console did not find notify again")
