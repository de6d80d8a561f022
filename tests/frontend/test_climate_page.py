"""The pages of a climate system, in a real browser, on rooms that are only software."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Page

from climate_system import Living, living, two_versions

pytestmark = pytest.mark.browser

ROOMS = 2
VIEWS = ("climate", "device/room-1", "learning", "health")
CARDS = "document.querySelectorAll('.room-card').length"
DRAWN = "document.querySelectorAll('.plot canvas').length"


def inner(label: str) -> str:
    return f"(document.querySelector('main [aria-label={json.dumps(label)}]')?.innerText ?? '')"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    folder = tmp_path_factory.mktemp("home")
    two_versions(folder / "climate" / "models")
    with living(folder, rooms=ROOMS, learns=True) as made:
        yield made


def open_view(page: Page, home: Living, view: str) -> None:
    page.goto(f"{home.url}/dashboard#/{view}")


def test_rooms_are_seen_at_once(home: Living, page: Page) -> None:
    page.goto(f"{home.url}/dashboard")
    page.until(f"{CARDS} === {ROOMS}")
    page.until("document.querySelector('main').dataset.view === 'climate'")
    page.until(r"/\d\d\.\d\s*°C/.test(document.querySelector('.room-card').innerText)")
    page.until("document.querySelectorAll('.room-card [role=meter]').length === 2")
    page.until(f"{DRAWN} === 4")
    page.until(f"{inner('Recent decisions')}.includes('room-2')")
    page.until(f"{inner('Recent decisions')}.includes('v2')")
    page.until(f"document.querySelector('.totals').innerText.includes('{ROOMS}/{ROOMS}')")
    page.until(f"{inner('Message throughput')}.includes('temperature')")
    assert page.failed == []


def test_rooms_are_found_by_name(home: Living, page: Page) -> None:
    page.goto(f"{home.url}/dashboard")
    page.until(f"{CARDS} === {ROOMS}")
    page.evaluate("document.querySelector('[type=search]').focus()")
    page.write("room-2")
    page.until(f"{CARDS} === 1")
    page.evaluate("document.querySelector('[type=search]').select()")
    page.write("nobody")
    page.sees("No device fits.")
    page.evaluate("document.querySelector('[type=search]').select()")
    page.write("room")
    page.until(f"{CARDS} === {ROOMS}")


def test_a_person_sets_a_window(home: Living, page: Page) -> None:
    open_view(page, home, "device/room-1")
    page.until(f"{DRAWN} >= 5")
    page.until(f"{inner('Window')}.includes('Where it should be')")
    slider = "document.querySelector('.window-form [type=range]')"
    moved = "dispatchEvent(new Event('input', {bubbles: true}))"
    page.evaluate(f"{slider}.value = 75, {slider}.{moved}")
    page.evaluate("document.querySelector('.window-form [type=text]').focus()")
    page.write("ann")
    page.click(".window-form [type=submit]")
    page.until(f"{inner('Window')}.includes('the model learns from it')")
    page.until(f"{inner('Recent decisions')}.includes('75')")
    page.until(f"{inner('Window position')}.includes('set by a person')")
    service = home.system.service
    assert service is not None
    assert len(service.labels) + service.labels.waiting >= 1


def test_a_device_is_named_and_told_its_settings(home: Living, page: Page) -> None:
    open_view(page, home, "device/room-2")
    field = "[aria-label=Device] .settings label:nth-child(1) input"
    page.until(f"document.querySelector('{field}')?.value === 'room-2'")
    page.evaluate(f"document.querySelector('{field}').select()")
    page.write("Kitchen")
    page.click("[aria-label=Device] [type=submit]")
    page.until("document.querySelector('[aria-label=Device] [type=submit]').disabled")
    assert home.system.backend is not None
    assert home.system.backend.registry.get("room-2").name == "Kitchen"
    panel = '[aria-label="Settings of the device"]'
    for name, value in (("Name of another setting", "report_seconds"), ("Its value", "50")):
        page.evaluate(f"document.querySelector('[aria-label=\"{name}\"]').focus()")
        page.write(value)
    page.click(f"{panel} [type=submit]")
    page.until(f"{inner('Settings of the device')}.includes('applied')")
    page.until(f"document.querySelector('{panel} label').innerText.length > 0")
    open_view(page, home, "climate")
    page.until("document.querySelector('main').innerText.includes('Kitchen')")


def test_the_model_is_looked_at_and_rolled_back(home: Living, page: Page) -> None:
    open_view(page, home, "learning")
    versions = inner("Versions of the model")
    page.until(f"{versions}.includes('v1') && {versions}.includes('v2')")
    page.until("document.querySelectorAll('.judgement svg').length === 2")
    page.until("document.querySelectorAll('.scatters canvas').length === 3")
    page.until(f"{inner('Decisions by device')}.includes('room-1')")
    page.click("[aria-label='Versions of the model'] header button")
    page.until(f"{versions}.includes('v1 decides from the next request on')")
    page.until("document.querySelector('tr.current').innerText.startsWith('v1')")
    assert page.failed == []


def test_health_is_told(home: Living, page: Page) -> None:
    open_view(page, home, "health")
    page.until(f"{inner('Services')}.includes('broker')")
    page.until("document.querySelectorAll('.service.ok').length >= 4")
    page.until(f"{inner('Store query time')}.includes('latest temperature')")
    page.until(f"{inner('Last seen')}.includes('online')")
    page.until(f"{inner('Errors and events')}.includes('registered')")
    page.until(f"{DRAWN} === 4")


def test_another_stretch_of_time_is_chosen(home: Living, page: Page) -> None:
    open_view(page, home, "health")
    page.until(f"{DRAWN} === 4")
    page.click(".view-head .choices button:last-child")
    page.until(
        "document.querySelector('.view-head .choices button:last-child').ariaPressed === 'true'"
    )
    assert page.failed == []


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1000, "dark")])
def test_nothing_is_wider_than_the_screen(
    home: Living, page: Page, width: int, scheme: str
) -> None:
    page.prefer(color_scheme=scheme)
    page.size(width, 844)
    for view in VIEWS:
        open_view(page, home, view)
        page.until(f"{DRAWN} > 0")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view


def test_everything_has_a_name(home: Living, page: Page) -> None:
    kinds = "button, a, input, select, canvas.drawn, meter, progress, [role=img], [role=region]"
    nameless = f"""[...document.querySelectorAll('{kinds}')]
        .filter(e => !(e.getAttribute('aria-label') || e.innerText?.trim() ||
                       e.getAttribute('aria-hidden') || e.closest('label')?.innerText.trim()))
        .map(e => e.outerHTML)"""
    unnamed = """[...document.querySelectorAll('main section, main nav, main aside')]
        .filter(e => !e.getAttribute('aria-label')).map(e => e.outerHTML.slice(0, 200))"""
    for view in VIEWS:
        open_view(page, home, view)
        page.until(f"{DRAWN} > 0")
        assert page.evaluate(nameless) == [], view
        assert page.evaluate(unnamed) == [], view


def test_a_device_that_is_not_there_is_told(home: Living, page: Page) -> None:
    open_view(page, home, "device/room-9")
    page.sees("no device 'room-9'")


def test_a_system_without_devices_says_how_to_get_one(tmp_path: Path, page: Page) -> None:
    with living(tmp_path) as home:
        page.goto(f"{home.url}/dashboard")
        page.sees("No device has spoken yet")
        page.sees("edgeflow climate simulate")
        assert home.system.store is not None
        home.system.store.close()
        page.until("document.querySelector('main [role=alert]')?.innerText.includes('closed')")
    page.sees("Connection lost.")
