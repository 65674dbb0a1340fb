"""The demo page in a real browser, through the proxy: HTTP, SSE and WebSocket all work."""
import re

import pytest

from support.quickstart import Quickstart
from support.wait import eventually
from support.webdriver import Browser


@pytest.fixture
def quickstart():
    with Quickstart() as running:
        yield running


def test_the_page_shows_all_three_working(quickstart, tmp_path):
    with Browser() as browser:
        browser.open("http://localhost:%d/" % quickstart.http)
        try:
            for name in ("http", "sse", "ws"):
                eventually(lambda n=name: browser.text("#%s-state" % n) == "working", seconds=20)
        finally:
            browser.screenshot(str(tmp_path / "page.png"))
        browser.type("#ws-text", "typed by hand")
        browser.click("#ws-form button")
        eventually(lambda: "typed by hand" in browser.text("#ws-log"))
        assert '"X-Forwarded-For"' in browser.text("#http-log"), "it came through the proxy"
        assert len(re.findall(r'"number"', browser.text("#sse-log"))) >= 2
        assert not browser.console()


def test_two_pages_hear_each_other(quickstart):
    with Browser() as one, Browser() as two:
        for browser in (one, two):
            browser.open("http://localhost:%d/" % quickstart.http)
            eventually(lambda b=browser: b.text("#ws-state") == "working", seconds=20)
        one.type("#ws-text", "can you hear me")
        one.click("#ws-form button")
        eventually(lambda: "can you hear me" in two.text("#ws-log"))


def test_a_page_of_another_origin_may_not_connect(quickstart):
    with Browser() as browser:
        browser.open("http://127.0.0.1:%d/" % quickstart.http)
        browser.run("window.ended = null; const ws = new WebSocket('ws://localhost:%d/ws');"
                    "ws.onopen = () => window.ended = 'open'; ws.onclose = e => window.ended = e.code;" % quickstart.http)
        assert eventually(lambda: browser.run("return window.ended"), seconds=10) == 1006
