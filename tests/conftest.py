"""What several test modules share: a real browser, and a server for the pages that it opens."""

import functools
import http.server
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))

import chromium

CHROMIUM_MISSING = (
    f"The browser tests need Chromium, which is not installed.\n{chromium.INSTALL}\n"
    "If it is in an unusual place, name it: CHROMIUM=/path/to/chromium make test"
)


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes share out the tests of the website, each takes a page's tests together."""
    for item in items:
        page = getattr(item, "callspec", None) and {"at_desk", "by_phone"} & item.callspec.params.keys()
        if page:
            item.add_marker(pytest.mark.xdist_group(item.callspec.params[page.pop()]))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium; `browser.new_context(...)` gives a fresh profile of any width, colour scheme or language."""
    path = chromium.find()
    if path is None:
        pytest.fail(CHROMIUM_MISSING, pytrace=False)
    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(**chromium.started(path))
        yield chrome
        chrome.close()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], str]]:
    """A function that serves a folder on a free port of this machine until the tests end, and returns its address."""
    servers = []

    def start(folder: Path) -> str:
        handler = functools.partial(_QuietHandler, directory=str(folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
