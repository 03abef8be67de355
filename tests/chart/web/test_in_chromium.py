"""The frame of every page in a real browser: by keyboard, on a phone, in the dark, and nothing from elsewhere."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from services.chart.adapters.web.application import create_application
from services.chart.adapters.web.console import Console
from services.chart.adapters.web.roles import Role
from services.chart.adapters.web.serving import WebServer
from services.chart.adapters.web.users import By

pytestmark = pytest.mark.tools

PHRASE = "seven quiet herons"
PAGES = ("/account", "/admin/users", "/admin/looks", "/admin/changes", "/nothing/here")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def address(make_console: Callable[..., Console]) -> Iterator[str]:
    """Of a console served over HTTP, with one administrator, ada."""
    console = make_console()
    console.users.add("ada", "Ada", Role.ADMINISTRATOR, PHRASE, console.now(), By("test"), must_change=False)
    console.users.add("rosa", "Rosa", Role.CLINICIAN, PHRASE, console.now(), By("test"), must_change=True)
    web = WebServer(create_application(console), console.settings)
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        await web.start()
        await stop.wait()
        await web.stop()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    yield f"http://127.0.0.1:{web.port}"
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


def sign_in(page: Page, address: str) -> None:
    """By keyboard: the field has the focus already."""
    page.goto(f"{address}/signin?next=/account")
    page.wait_for_function("document.activeElement.id === 'name'")
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    page.keyboard.type(PHRASE)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/account", timeout=120_000)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 1200), ("light", 320), ("dark", 320)])
def test_pages_are_accessible_and_fit(chromium: Browser, address: str, scheme: Any, width: int) -> None:
    context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 640})
    page = context.new_page()
    complaints: list[str] = []
    asked: set[str] = set()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: asked.add(request.url))
    page.goto(f"{address}/signin")
    found = {"/signin": Axe().run(page).response["violations"]}
    sign_in(page, address)
    for path in PAGES:
        page.goto(address + path)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        found[path] = Axe().run(page).response["violations"]
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    assert {(path, one["id"]) for path, violations in found.items() for one in violations} == set()
    assert all(url.startswith(address) for url in asked)
    assert [text for text in complaints if "404" not in text] == []
    context.close()


def test_the_first_tab_leads_past_the_navigation(chromium: Browser, address: str) -> None:
    page = chromium.new_page()
    sign_in(page, address)
    page.goto(f"{address}/admin/users")
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to the content"
    assert page.locator(":focus").is_visible()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")
    page.close()


def test_everything_that_can_be_used_shows_its_focus(chromium: Browser, address: str) -> None:
    page = chromium.new_page()
    sign_in(page, address)
    for _ in range(9):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", page.evaluate("document.activeElement.outerHTML")
    page.close()


def test_signing_out_by_keyboard_ends_at_the_sign_in(chromium: Browser, address: str) -> None:
    page = chromium.new_page()
    sign_in(page, address)
    page.get_by_role("button", name="Sign out").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/signin")
    page.go_back()
    assert page.get_by_role("heading", name="Sign in").is_visible(), "no page of the session is kept"
    page.close()


def test_a_script_in_a_page_does_not_run(chromium: Browser, address: str) -> None:
    page = chromium.new_page()
    page.goto(f"{address}/signin")
    page.evaluate(
        "() => { const script = document.createElement('script'); script.textContent = 'window.ran = true';"
        " document.body.append(script); }"
    )
    assert page.evaluate("window.ran") is None
    page.close()
