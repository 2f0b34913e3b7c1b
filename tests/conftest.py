"""What several test modules share: a real browser, and a server for the pages that it opens."""

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM_NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
CHROMIUM_ON_MACOS = ["/Applications/Chromium.app/Contents/MacOS/Chromium",
                     "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"]  # fmt: skip
CHROMIUM_MISSING = (
    "The browser tests need Chromium, which is not installed.\n"
    "Debian: apt-get install chromium chromium-driver    macOS: brew install --cask chromium\n"
    "If it is in an unusual place, name it: CHROMIUM=/path/to/chromium make test"
)
# Nothing but the page's own requests: the browser's housekeeping would ask its maker's hosts.
CHROMIUM_QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic",
                  "--no-first-run", "--disable-gpu"]  # fmt: skip


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes share out the tests of the website, each takes a page's tests together."""
    for item in items:
        page = getattr(item, "callspec", None) and {"at_desk", "by_phone"} & item.callspec.params.keys()
        if page:
            item.add_marker(pytest.mark.xdist_group(item.callspec.params[page.pop()]))


def find_chromium() -> str | None:
    named = os.environ.get("CHROMIUM")
    found = [named] if named else [shutil.which(name) for name in CHROMIUM_NAMES] + CHROMIUM_ON_MACOS
    return next((path for path in found if path and Path(path).exists()), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium; `browser.new_context(...)` gives a fresh profile of any width, colour scheme or language."""
    chromium = find_chromium()
    if chromium is None:
        pytest.fail(CHROMIUM_MISSING, pytrace=False)
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # Chromium refuses its sandbox to root, as CI's containers are
    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=chromium, chromium_sandbox=not root, args=CHROMIUM_QUIET)
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
