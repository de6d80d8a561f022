"""The page of nodes that sense, in a real browser, on nodes that are only software."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from chromium import Page

from edgeflow.core.sensing import Room
from edgeflow.devices.virtual.csi_node import CsiFleet, Packet
from edgeflow.sensing.simulate import Simulation, around, preset
from edgeflow.sensing.simulate.sending import node_packets
from edgeflow.systems.csi import CsiServer
from module_images import PUBLIC, TICKING, signed

pytestmark = pytest.mark.browser

NODES = 8
COUNT = "+(document.querySelector('.csi-waterfall')?.dataset.columns ?? 0)"


def inner(label: str) -> str:
    return f"(document.querySelector('[aria-label={json.dumps(label)}]')?.innerText ?? '')"


def packets(number: int) -> Iterator[Packet]:
    scenario = preset("walking" if number < 4 else "empty", seconds=600.0, seed=4)
    room = around(scenario, NODES)[number]
    return node_packets(Simulation(replace(room, seed=number + 1)), gate_us=0)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CsiServer, Path]]:
    file = tmp_path_factory.mktemp("home") / "rooms.json"
    with CsiServer(port=0, http_port=0, rooms=file, module_key=PUBLIC) as server:
        target = ("127.0.0.1", server.sensing.port)
        with CsiFleet(target, [packets(number) for number in range(NODES)]):
            yield server, file


def name_of(server: CsiServer, number: int) -> str:
    return next(node.name for node in server.desk.nodes() if node.node == number)


@pytest.fixture
def shown(home: tuple[CsiServer, Path], page: Page) -> Page:
    page.goto(f"http://127.0.0.1:{home[0].http_port}/dashboard")
    page.until(f"document.querySelectorAll('.csi-node').length === {NODES}")
    page.until(f"{COUNT} > 0")
    return page


def test_the_waterfall_moves_and_every_node_is_seen_small(shown: Page) -> None:
    before = shown.evaluate(COUNT)
    shown.until(f"{COUNT} > {before} + 40")
    shown.evaluate(
        """window.colours = c => new Set(
            new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)
        ).size"""
    )
    shown.until("colours(document.querySelector('.csi-waterfall')) > 30")
    shown.until(
        "[...document.querySelectorAll('.csi-small')].slice(0, 4).every(c => colours(c) > 5)"
    )
    shown.until("[...document.querySelectorAll('.drawn')].slice(0, 3).every(c => c.width > 100)")
    assert shown.failed == []


def test_null_bins_are_left_blank(shown: Page) -> None:
    row = (
        "(c => Math.max(...c.getContext('2d').getImageData(c.width - 20, c.height - 1 - BIN, 20, 1)"
        ".data.filter((_, i) => i % 4 === 3)))(document.querySelector('.csi-waterfall'))"
    )
    shown.until(f"{COUNT} > 30 && {row.replace('BIN', '10')} === 255")
    assert [shown.evaluate(row.replace("BIN", at)) for at in ("0", "32", "63")] == [0, 0, 0]


def test_vitals_appear_and_no_reading_is_said(shown: Page) -> None:
    shown.until(f"{inner('Presence')}.includes('Present')")
    shown.until(rf"/threshold|no threshold/.test({inner('Motion')})")
    assert "no reading" in shown.evaluate(inner("Heart"))
    shown.until(f"{inner('Events')}.includes('somebody came')")
    shown.until(f"{inner('Totals')}.includes('{NODES}/{NODES}')")


def test_another_node_is_looked_at_with_the_keyboard(shown: Page) -> None:
    second = ".csi-node:nth-child(2)"
    shown.evaluate(f"document.querySelector('{second}').focus()")
    shown.press("Enter")
    shown.until(f"document.querySelector('{second}').getAttribute('aria-current') === 'true'")
    shown.until("document.querySelector('.room-head h2').innerText === 'Node 2'")
    shown.until(f"{COUNT} > 10")


def test_what_changes_can_be_shown_instead(shown: Page) -> None:
    button = ".waterfall-card .choices button:last-child"
    shown.click(button)
    shown.until(f"document.querySelector('{button}').getAttribute('aria-pressed') === 'true'")
    before = shown.evaluate(COUNT)
    shown.until(f"{COUNT} > {before} + 10")
    shown.click(".waterfall-card .choices button:first-child")


def test_a_calibration_is_begun_followed_and_stopped(
    home: tuple[CsiServer, Path], shown: Page
) -> None:
    server, file = home
    name = name_of(server, 1)
    room = Room(frames=1300, mean=0.05, deviation=0.01, threshold=0.31)
    server.desk.set_room(name, room)
    assert "0.31" in file.read_text()
    panel = inner("Calibration")
    shown.until(f"{panel}.includes('A restart keeps it')")
    button = "[aria-label=Calibration] .actions button"
    shown.click(button)
    shown.until(f"{panel}.includes('Leave the room')")
    shown.until("document.querySelector('[aria-label=Calibration] progress').value > 20")
    shown.click(button)
    shown.until(f"{panel}.includes('A restart keeps it')")
    assert server.desk.calibration(name).state == "known"


def test_settings_are_changed_and_refusals_told(home: tuple[CsiServer, Path], shown: Page) -> None:
    name = name_of(home[0], 1)
    field = '[aria-label=Configuration] input[max="32"]'
    shown.until(f"document.querySelector('{field}')?.value === '8'")
    shown.evaluate(f"document.querySelector('{field}').select()")
    shown.write("12")
    shown.click("[aria-label=Configuration] button[type=submit]")
    shown.until("document.querySelector('[aria-label=Configuration] button[type=submit]').disabled")
    assert home[0].desk.settings(name).top_subcarriers == 12
    shown.evaluate(f"document.querySelector('{field}').select()")
    shown.write("99")
    shown.click("[aria-label=Configuration] button[type=submit]")
    assert not shown.evaluate(f"document.querySelector('{field}').validity.valid")
    assert home[0].desk.settings(name).top_subcarriers == 12


def test_modules_are_listed_stopped_and_removed(home: tuple[CsiServer, Path], shown: Page) -> None:
    panel = inner("Modules")
    shown.until(f"{panel}.includes('No module watches this node')")
    home[0].desk.load_module(signed(TICKING, "wdp-tick"), None)
    shown.until(f"{panel}.includes('wdp-tick') && {panel}.includes('running')")
    shown.until(f"/65535|event|occupied/.test({panel})")
    shown.click("[aria-label=Modules] li button")
    shown.until(f"{panel}.includes('stopped')")
    shown.click("[aria-label='Remove wdp-tick']")
    shown.until(f"{panel}.includes('No module watches this node')")


def test_a_node_that_is_not_there_is_told(home: tuple[CsiServer, Path], page: Page) -> None:
    page.goto(f"http://127.0.0.1:{home[0].http_port}/dashboard#/sensing/99")
    page.sees("No node 99")
    page.click(".csi-node")
    page.until(f"{COUNT} > 0")


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1000, "dark")])
def test_nothing_is_wider_than_the_screen(
    home: tuple[CsiServer, Path], page: Page, width: int, scheme: str
) -> None:
    page.prefer(color_scheme=scheme)
    page.size(width, 844)
    page.goto(f"http://127.0.0.1:{home[0].http_port}/dashboard#/sensing")
    page.until(f"{COUNT} > 0")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_everything_has_a_name(shown: Page) -> None:
    kinds = "button, a, input, select, canvas, meter, progress"
    nameless = f"""[...document.querySelectorAll('{kinds}')]
        .filter(e => !(e.getAttribute('aria-label') || e.innerText?.trim() ||
                       e.getAttribute('aria-hidden') || e.closest('label')?.innerText.trim()))
        .map(e => e.outerHTML)"""
    assert shown.evaluate(nameless) == []
    unnamed = """[...document.querySelectorAll('main section, main nav, main aside')]
        .filter(e => !e.getAttribute('aria-label')).length"""
    assert shown.evaluate(unnamed) == 0


def test_a_server_without_nodes_says_how_to_get_one(page: Page) -> None:
    with CsiServer(port=0, http_port=0) as server:
        page.goto(f"http://127.0.0.1:{server.http_port}/dashboard")
        page.sees("No node has been heard yet")
        page.sees("edgeflow csi simulate walking")


def test_loss_of_the_server_is_told(page: Page) -> None:
    with CsiServer(port=0, http_port=0) as server:
        page.goto(f"http://127.0.0.1:{server.http_port}/dashboard")
        page.sees("No node has been heard yet")
    page.sees("Connection lost.")
