"""The dashboard in a real browser on a real flow."""

import json
import signal
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from chromium import Page
from door_process import Flow

pytestmark = pytest.mark.browser

VIEWS = ["live", "topology", "latency", "logs"]
SHOWN = "document.querySelectorAll('.tile .stage.seen').length"


def tile(name: str) -> str:
    return f'[aria-label="Stream {name}"]'


def inner(selector: str) -> str:
    return f"(document.querySelector({json.dumps(selector)})?.innerText ?? '')"


def test_pictures_move(flow: Flow, page: Page) -> None:
    page.goto(f"{flow.url}/dashboard")
    page.until(f"{SHOWN} >= 3")
    page.until(f"/\\d fps/.test({inner(tile('blur'))})")
    page.until(f"{inner(tile('raw door'))}.includes('320\u00d7240')")
    page.evaluate(
        """window.grab = () => {
            const image = document.querySelector('[aria-label="Stream raw door"] img');
            const canvas = document.createElement('canvas');
            [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
            canvas.getContext('2d').drawImage(image, 0, 0);
            return canvas.toDataURL();
        }"""
    )
    before = page.evaluate("grab()")
    page.until(f"grab() !== {json.dumps(before)}")


def test_a_snapshot_is_a_picture_to_save(flow: Flow, page: Page) -> None:
    page.goto(f"{flow.url}/dashboard")
    link = f"document.querySelector('{tile('raw door')} a[download]')"
    page.until(link)
    assert page.evaluate(f"{link}.download") == "raw-door.jpg"
    with urlopen(page.evaluate(f"{link}.href"), timeout=20) as answer:
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.read(3) == b"\xff\xd8\xff"


def test_a_stream_fills_the_screen_and_comes_back(flow: Flow, page: Page) -> None:
    page.goto(f"{flow.url}/dashboard")
    page.until(f"{SHOWN} >= 3")
    page.click('[aria-label="Show blur on the full screen"]')
    page.until(f"document.querySelector('{tile('blur')}').offsetWidth === innerWidth")
    page.until(f"document.querySelector('{tile('blur')}').offsetHeight === innerHeight")
    page.click('[aria-label="Leave full screen"]')
    page.until(f"document.querySelector('{tile('blur')}').offsetWidth < innerWidth")


def test_a_stream_that_stops_says_so(flow: Flow, page: Page) -> None:
    page.goto(f"{flow.url}/dashboard")
    page.until(f"/stalled \\d+ s/.test({inner(tile('garage'))})")
    page.until(f"document.querySelector('{tile('garage')} .stage.seen')")
    page.click(".health button")
    page.until(f"{inner('.popover')}.includes('garage')")


def test_values_are_shown(flow: Flow, page: Page) -> None:
    page.goto(f"{flow.url}/dashboard")
    page.until(f"/temperature_c: 21.5/.test({inner(tile('weather'))})")


def test_pausing_keeps_the_picture_and_lets_go_of_the_stream(flow: Flow, page: Page) -> None:
    page.goto(f"{flow.url}/dashboard")
    page.until(f"{SHOWN} >= 3")
    page.click('[aria-label="Pause blur"]')
    page.until(f"{inner(tile('blur'))}.includes('paused')")
    page.until(f"!document.querySelector('{tile('blur')} img').hasAttribute('src')")
    assert page.evaluate(f"document.querySelector('{tile('blur')} canvas').width") == 320
    page.click('[aria-label="Play blur"]')
    page.until(f"document.querySelector('{tile('blur')} img.loaded')")


def test_the_graph_shows_what_flows(flow: Flow, page: Page) -> None:
    page.goto(f"{flow.url}/dashboard#/topology")
    page.until("document.querySelectorAll('.graph-svg .node').length === 6")
    page.until("document.querySelectorAll('.graph-svg .link-label').length === 6")
    blur = inner('.link-label[aria-label*="from camera to blur"]').replace(
        "innerText", "textContent"
    )
    page.until(rf"/[1-9][\d.]*\/s.*\d (µs|ms|s)realtime · memory/.test({blur})")
    page.until(rf"/(queue \d+\/\d+|\d+\/\d+ · \d+ skipped)/.test({blur})")
    page.until(f"/blur\\s+running/.test({inner('.tables')})")


def test_a_node_opens_its_panel(flow: Flow, page: Page) -> None:
    page.goto(f"{flow.url}/dashboard#/topology")
    page.until("document.querySelectorAll('.graph-svg .node').length === 6")
    page.click('.graph-svg .node[aria-label*="blur"]')
    page.sees("Last frame")
    page.until("document.querySelector('.last-frame img')?.naturalWidth === 320")
    page.until("document.querySelector('.panel .chart canvas')")
    page.until(f"{inner('.panel')}.includes('2/2')")
    page.until(f"{inner('.last-frame')}.includes('boxes')")
    assert page.evaluate("document.activeElement.innerText") == "blur"
    page.press_until("Escape", "!document.querySelector('.panel')")


def test_an_error_is_told_with_its_node(flow: Flow, page: Page) -> None:
    page.goto(f"{flow.url}/dashboard#/topology/node/recorder")
    page.until(f"{inner('.last-error')}.includes('disk is full')")
    page.until(f"/running/.test({inner('.panel')}) && /Restarts\\s+0/.test({inner('.panel')})")
    page.until(f"{inner('.panel')}.includes('node_raised')")
    page.click(".health button")
    page.until(f"{inner('.popover')}.includes('raised RuntimeError: disk is full')")


def test_a_link_opens_its_counters_with_the_keyboard(flow: Flow, page: Page) -> None:
    page.goto(f"{flow.url}/dashboard#/topology")
    label = '.link-label[aria-label*="from camera to recorder"]'
    page.until(f"document.querySelector('{label}')")
    page.evaluate(f"document.querySelector('{label}').focus()")
    page.press("Enter")
    page.until(f"{inner('.panel')}.includes('Every frame, in order')")


def test_latency_names_the_bottleneck(flow: Flow, page: Page) -> None:
    page.goto(f"{flow.url}/dashboard#/latency")
    page.until(r"/\d+% of .* is spent (in|on) /.test(document.body.innerText)")
    assert page.evaluate("document.querySelectorAll('.waterfall .worst').length") >= 1


def test_logs_are_filtered(flow: Flow, page: Page) -> None:
    page.goto(f"{flow.url}/dashboard#/logs")
    page.sees("picture_odd")
    page.press_until("/", "document.activeElement.closest('.search')")
    page.write("nothing-like-this")
    page.sees("Nothing matches")
    page.click(".empty button")
    page.click(".search input")
    page.write("lens cap")
    page.until("document.querySelectorAll('.log-row').length >= 1")
    rows = "[...document.querySelectorAll('.log-row')].map(e => e.innerText)"
    assert all("picture_odd" in row for row in page.evaluate(rows))


def test_loss_is_told_and_healed(own_flow: Flow, page: Page) -> None:
    page.goto(f"{own_flow.url}/dashboard")
    page.until(f"{SHOWN} >= 3")
    own_flow.stop(signal.SIGKILL)
    page.sees("Connection lost.")
    page.sees("s ago")
    page.until("document.querySelector('.tile canvas').width > 0")
    own_flow.start()
    page.until("!document.querySelector('.banner')")
    page.until(f"{SHOWN} >= 2")


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_colours_follow_the_system(flow: Flow, page: Page, scheme: str) -> None:
    page.prefer(color_scheme=scheme)
    page.goto(f"{flow.url}/dashboard")
    page.until(f"document.documentElement.dataset.theme === '{scheme}'")
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g)")
    assert (sum(map(int, colour[:3])) < 3 * 128) == (scheme == "dark")


def test_the_choice_of_colours_is_remembered(flow: Flow, page: Page) -> None:
    shown = "document.documentElement.dataset.theme"
    page.prefer(color_scheme="light")
    page.goto(f"{flow.url}/dashboard")
    page.until(f"{shown} === 'light'")
    page.click('[aria-label="Use dark colours"]')
    page.until(f"{shown} === 'dark'")
    page.goto(f"{flow.url}/docs")
    page.until(f"document.querySelector('.operation') && {shown} === 'dark'")


@pytest.mark.parametrize("width", [360, 768, 3840])
def test_no_view_is_wider_than_the_screen(flow: Flow, page: Page, width: int) -> None:
    page.size(width, 800)
    page.goto(f"{flow.url}/docs")
    page.until("document.querySelector('.operation')")
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "docs"
    page.goto(f"{flow.url}/dashboard")
    for view in VIEWS:
        page.evaluate(f"location.hash = '#/{view}'")
        page.until(f"document.querySelector('main[data-view={view}]')")
        page.until("document.querySelector('.tile, .graph-svg, .waterfall, .log-row')")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view


def test_a_very_large_screen_is_used(flow: Flow, page: Page) -> None:
    page.size(3840, 2160)
    page.goto(f"{flow.url}/dashboard")
    page.until(f"{SHOWN} >= 3")
    assert page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") >= 16
    pictures = "[...document.querySelectorAll('.tile .stage')].map(e => e.offsetWidth)"
    assert sum(page.evaluate(pictures)) > 3840 * 0.8


def test_the_keyboard_is_enough(flow: Flow, page: Page) -> None:
    page.goto(f"{flow.url}/dashboard")
    page.until(f"{SHOWN} >= 3")
    page.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "Skip to content"
    page.press_until("2", "document.querySelectorAll('.graph-svg .node').length === 6")
    page.evaluate("document.querySelector('main').focus()")
    page.press("Tab")
    focused = "document.activeElement.closest('.graph-svg [role=button]')"
    assert page.evaluate(focused), "the first thing on the page is in the graph"
    assert page.evaluate("getComputedStyle(document.activeElement.closest('g')).outlineStyle")
    page.press("Enter")
    page.until("document.querySelector('.panel')")
    page.press_until("Escape", "!document.querySelector('.panel')")


def test_every_button_has_a_name(flow: Flow, page: Page) -> None:
    page.goto(f"{flow.url}/dashboard")
    nameless = """[...document.querySelectorAll('button, a, input, select, img, [role=button]')]
        .filter(e => !(e.getAttribute('aria-label') || e.innerText?.trim() || e.alt ||
                       e.closest('label')?.innerText.trim()))
        .map(e => e.outerHTML)"""
    for view in VIEWS:
        page.evaluate(f"location.hash = '#/{view}'")
        page.until(f"document.querySelector('main[data-view={view}]')")
        page.until("document.querySelector('.tile, .graph-svg, .waterfall, .log-row')")
        assert page.evaluate(nameless) == []


def test_everything_comes_from_the_flow_itself(flow: Flow, page: Page) -> None:
    page.goto(f"{flow.url}/dashboard")
    page.until(f"{SHOWN} >= 3")
    allowed = (flow.url, flow.url.replace("http", "ws"), "data:", "blob:", "about:")
    page.goto(f"{flow.url}/docs")
    page.until("document.querySelectorAll('.operation').length > 8")
    assert len(page.requested) > 5
    assert [url for url in page.requested if not url.startswith(allowed)] == []
    assert page.failed == []


def test_reference_describes_and_tries_the_api(flow: Flow, page: Page) -> None:
    page.goto(f"{flow.url}/docs")
    page.until("document.querySelectorAll('.operation').length > 8")
    page.click("#get-api-graph .try button")
    page.until(f"{inner('#get-api-graph .answer')}.includes('front-door')")


def test_a_protected_flow_asks_for_its_token(locked_flow: Flow, page: Page) -> None:
    page.goto(f"{locked_flow.url}/dashboard")
    page.sees("This dashboard is protected")
    page.click("input[name=token]")
    page.write("wrong")
    page.press("Enter")
    page.sees("not accepted")
    page.evaluate("document.querySelector('input[name=token]').select()")
    page.write("s3cret")
    page.press("Enter")
    page.until(f"{SHOWN} >= 1")


@pytest.mark.parametrize("path", ["/api/graph", "/static/../api/graph", "/openapi.json"])
def test_the_data_of_a_protected_flow_stays_closed(locked_flow: Flow, path: str) -> None:
    with pytest.raises(HTTPError) as caught:
        urlopen(locked_flow.url + path, timeout=20)
    with caught.value as answer:
        assert answer.code in (401, 404)


def test_a_link_with_the_token_opens_a_protected_flow(locked_flow: Flow, page: Page) -> None:
    page.goto(f"{locked_flow.url}/dashboard?token=s3cret")
    page.until(f"{SHOWN} >= 1")
    assert "s3cret" not in page.evaluate("location.href")
