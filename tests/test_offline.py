"""The website in a sub-folder, at addresses that do not exist, and kept on a reader's device with the network cut.

The server here does what GitHub Pages does: a site lies in a folder, and 404.html answers for all that is not there, at
any depth. It can be stopped in earnest, so that what a page shows then can come from nowhere but the reader's device.
"""

import contextlib
import functools
import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).parent.parent
SITE = ROOT / "_build/html"
sys.path.insert(0, str(ROOT / "book/_ext"))

import book_offline  # noqa: E402 (the folder holds extensions of Sphinx, not a package)

FOLDER = "paying-attention/dev"
KEEP, REMOVE = "Keep this book on this device", "Remove it from this device"
PATIENCE = 90_000  # milliseconds, on a busy machine
# What lies on the reader's device: the scopes of service workers, and the addresses in each cache.
STORED = """async () => {
    const scopes = (await navigator.serviceWorker.getRegistrations()).map((registration) => registration.scope);
    const stores = {};
    for (const name of await caches.keys()) {
        stores[name] = (await (await caches.open(name)).keys()).map((request) => request.url);
    }
    return [scopes, stores];
}"""
PAPER = "() => getComputedStyle(document.body).backgroundColor"


class _Handler(http.server.SimpleHTTPRequestHandler):
    held = ""  # the end of an address that is answered only when `go_on` is set
    go_on = threading.Event()

    def do_GET(self) -> None:
        if self.held and self.path.endswith(self.held):
            self.go_on.wait(PATIENCE / 1000)
        super().do_GET()

    def send_error(self, code: int, *arguments: object) -> None:
        page = Path(self.directory, "404.html").read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "max-age=600")  # as on GitHub Pages
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Host:
    """A host that serves a folder until it is stopped, and can be started again at the same address."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.site, self.server, self.port = folder, folder / FOLDER, None, 0

    @property
    def book(self) -> str:
        return f"http://127.0.0.1:{self.port}/{FOLDER}/"

    def start(self) -> None:
        handler = functools.partial(_Handler, directory=str(self.folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


@pytest.fixture(scope="session")
def built() -> Path:
    build = subprocess.run([sys.executable, ROOT / "tools/build_book.py"], capture_output=True, text=True, check=False)
    if build.returncode:
        pytest.fail(f"the website does not build:\n{build.stdout}{build.stderr}", pytrace=False)
    return SITE


@pytest.fixture
def host(built: Path, tmp_path: Path) -> Iterator[Host]:
    shutil.copytree(built, tmp_path / FOLDER)
    shutil.copy(built / "404.html", tmp_path)  # as tools/publish.py does
    host = Host(tmp_path)
    host.start()
    yield host
    host.stop()


@contextlib.contextmanager
def reader(browser: Browser, **options: object) -> Iterator[BrowserContext]:
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


def keep_book(page: Page, host: Host) -> None:
    """Ask for the book on the front page, with the keyboard, and wait until it is stored."""
    page.goto(host.book)
    page.get_by_role("button", name=KEEP).focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name=REMOVE).wait_for()
    assert "kept on this device" in page.locator(".keep-book [role=status]").inner_text()


def cut(context: BrowserContext, host: Host) -> None:
    host.stop()
    context.set_offline(True)


def mend(context: BrowserContext, host: Host) -> None:
    host.start()
    context.set_offline(False)


def stored(page: Page) -> tuple[list[str], dict[str, list[str]]]:
    return page.evaluate(STORED)


def wait_until(page: Page, condition: str) -> None:
    """Wait until a promise in the page comes true; wait_for_function takes the promise itself for an answer."""
    page.evaluate(f"""async () => {{
        const end = performance.now() + {PATIENCE};
        while (!(await ({condition})())) {{
            if (performance.now() > end) throw new Error("not in time: " + {json.dumps(condition)});
            await new Promise((done) => setTimeout(done, 50));
        }}
    }}""")


def listed(site: Path) -> set[str]:
    book = (site / "sw.js").read_text().removeprefix("const BOOK = ").split(";\n\n", 1)[0]
    return set(json.loads(book)["files"])


def search(page: Page, word: str) -> None:
    page.locator(".search-button__button:visible").first.click()
    page.locator("#pst-search-dialog input").fill(word)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/search.html?q={word}*")
    page.locator("#search-results ul.search li > a", has_text="Bottleneck").first.wait_for()


# --- In a sub-folder -------------------------------------------------------------------------------------------------


def test_a_page_asks_for_nothing_outside_its_folder(host: Host, browser: Browser) -> None:
    with reader(browser) as context:
        page = context.new_page()
        asked: list[str] = []
        page.on("response", lambda response: asked.append(f"{response.status} {response.url}"))
        for name in ["", "book/index.html", "notebooks/01_fixed_vector.html"]:
            page.goto(host.book + name, wait_until="networkidle")
        search(page, "bottleneck")
        asked = [answer for answer in asked if "/favicon.ico" not in answer and " data:" not in answer]
        assert len(asked) > 10
        assert [answer for answer in asked if not answer.startswith(f"200 {host.book}")] == []


@pytest.mark.parametrize(("address", "back"), [
    ("nothing", FOLDER), ("notebooks/deep/er/nothing.html", FOLDER),
    ("../nothing", "paying-attention"), ("../../nothing.html", "paying-attention"),
])  # fmt: skip
def test_an_address_that_does_not_exist_leads_back_to_the_book(
    address: str, back: str, host: Host, browser: Browser
) -> None:
    (host.folder / "paying-attention/index.html").write_text("where versions are chosen")
    with reader(browser, color_scheme="dark") as context:
        page = context.new_page()
        page.goto(host.book)
        paper = page.evaluate(PAPER)
        assert page.goto(host.book + address).status == 404
        assert page.get_by_role("heading", name="There is no such page here").is_visible()
        assert page.evaluate("() => getComputedStyle(document.body).maxWidth") == "544px", "its styles are not there"
        assert page.evaluate(PAPER) == paper, "it is not as dark as the book"
        link = page.get_by_role("link", name="front page")
        page.wait_for_function("(back) => document.querySelector('a').pathname === back", arg=f"/{back}/")
        link.click()
        page.wait_for_url(f"**/{back}/")


def test_the_missing_page_leads_back_without_javascript(host: Host, browser: Browser) -> None:
    with reader(browser, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(host.book + "a/b/nothing.html")
        assert page.get_by_role("link").get_attribute("href") == "/paying-attention/"
        assert page.evaluate("() => getComputedStyle(document.body).maxWidth") == "544px"


# --- Kept ------------------------------------------------------------------------------------------------------------


def test_nothing_is_stored_before_the_reader_asks(host: Host, browser: Browser) -> None:
    with reader(browser) as context:
        page = context.new_page()
        for name in ["", "notebooks/01_fixed_vector.html"]:
            page.goto(host.book + name, wait_until="networkidle")
            assert stored(page) == [[], {}]
            assert page.evaluate("() => navigator.serviceWorker.controller") is None


def test_the_control_is_named_on_each_page_and_says_the_true_size(built: Path) -> None:
    sizes = {
        re.search(rf"{KEEP}: ([\d.]+ MB)<", (built / name).read_text())[1] for name in ("index.html", "book/index.html")
    }
    files, on_use = book_offline.contents(built)
    assert sizes == {book_offline.megabytes(sum(count for _, count in files.values()))}
    assert set(files) == listed(built)
    pages = [path for path in built.rglob("*.html") if path.name != "404.html"]
    assert {path.relative_to(built).as_posix() for path in pages} <= set(files)
    assert all('#keep-this-book">' in path.read_text() for path in pages)
    assert not [name for name in on_use if Path(name).suffix not in book_offline.LARGE]
    for name, (_, count) in files.items():
        assert count < 2_000_000, f"{name} is too large to be stored unasked"


def test_the_kept_book_opens_with_the_network_cut(host: Host, browser: Browser) -> None:
    with reader(browser, viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True) as context:
        page = context.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        keep_book(page, host)
        scopes, stores = stored(page)
        assert scopes == [host.book]
        assert list(stores) == [f"book /{FOLDER}/"]
        assert {address.removeprefix(host.book).split("?")[0] for address in stores[f"book /{FOLDER}/"]} == listed(
            host.site
        )
        cut(context, host)

        # The page on which the reader asked; then pages that were never opened.
        page.reload()
        page.get_by_role("button", name=REMOVE).wait_for()
        page.goto(host.book + "notebooks/05_why_sqrt_d.html")
        page.locator("[data-explorer]").first.scroll_into_view_if_needed()  # an explorer starts when it comes near
        slider = page.locator("[data-explorer] input[type=range]").first
        slider.scroll_into_view_if_needed()
        slider.wait_for()
        explorer = page.locator("[data-explorer]:has(input[type=range])").first
        before = explorer.inner_text()
        slider.focus()
        page.keyboard.press("End")
        page.keyboard.press("Home")
        page.wait_for_function(
            "([explorer, before]) => explorer.innerText !== before", arg=[explorer.element_handle(), before]
        )
        picture = page.locator("article img[src*=_images]").first
        picture.scroll_into_view_if_needed()
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
        mode = page.locator("html").get_attribute("data-mode")
        page.locator(".theme-switch-button").click()
        assert page.locator("html").get_attribute("data-mode") != mode
        search(page, "bottleneck")
        page.locator("#search-results ul.search li > a", has_text="Glossary > Bottleneck").click()
        page.locator("#bottleneck .highlighted", has_text="Bottleneck").first.wait_for()

        assert page.goto(host.book + "notebooks/nothing.html?x#y").status == 404
        page.get_by_role("heading", name="There is no such page here").wait_for()
        page.wait_for_function("(book) => document.querySelector('a').href === book", arg=host.book)
        assert page.goto(host.book + "notebooks/06_many_heads").status == 200, "an address without .html"
        assert complaints == []


def test_removing_leaves_nothing(host: Host, browser: Browser) -> None:
    with reader(browser) as context:
        page = context.new_page()
        keep_book(page, host)
        page.keyboard.press("Enter")  # the focus has moved on to the button that removes
        page.get_by_role("button", name=KEEP).wait_for()
        assert page.locator(".keep-book [role=status]").inner_text() == "Nothing of the book is stored any more."
        assert page.evaluate("() => document.activeElement.innerText").startswith(KEEP)
        assert stored(page) == [[], {}]
        page.goto(host.book + "notebooks/02_looking_back.html", wait_until="networkidle")
        assert stored(page) == [[], {}]


def test_storing_can_be_stopped(host: Host, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Handler, "held", f"/{FOLDER}/404.html")
    monkeypatch.setattr(_Handler, "go_on", threading.Event())
    with reader(browser) as context:
        page = context.new_page()
        page.goto(host.book)
        page.get_by_role("button", name=KEEP).click()
        wait_until(page, "async () => document.querySelector('.keep-book progress').value > 1e6")
        page.get_by_role("button", name="Stop, and store nothing").click()
        wait_until(page, "async () => (await caches.keys()).length === 0")
        _Handler.go_on.set()
        page.get_by_role("button", name=KEEP).wait_for()
        assert page.locator(".keep-book [role=status]").inner_text() == "Nothing of the book is stored any more."
        assert stored(page) == [[], {}]


def test_a_network_that_breaks_off_is_told_and_the_next_try_goes_on(host: Host, browser: Browser) -> None:
    with reader(browser) as context:
        page = context.new_page()
        gone = host.site / "notebooks/02_looking_back.html"
        gone.rename(gone.with_suffix(".away"))
        page.goto(host.book)
        page.get_by_role("button", name=KEEP).click()
        page.locator(".keep-book [role=status]", has_text="Not all of the book could be loaded").wait_for()
        scopes, stores = stored(page)
        assert scopes == []
        assert all("/dev/notebooks/02_looking_back.html" not in address for address in stores[f"book /{FOLDER}/"])
        gone.with_suffix(".away").rename(gone)
        page.reload()
        page.get_by_role("button", name=KEEP).click()
        page.locator(".keep-book [role=status]", has_text="kept on this device").wait_for()


# --- New builds ------------------------------------------------------------------------------------------------------


def change(host: Host) -> None:
    """Another build: a page that says something new, and a style sheet that marks it."""
    page = host.site / "book/glossary.html"
    page.write_text(page.read_text().replace("<h1>", '<h1 data-build="2">', 1))
    with open(host.site / "_static/book.css", "a") as sheet:
        sheet.write("\nhtml { --build: 2 }\n")


def builds_seen(page: Page, host: Host) -> list[str]:
    """The builds that the glossary and its style sheet come from."""
    page.goto(host.book + "book/glossary.html")
    return page.evaluate("""() => [document.querySelector("h1").dataset.build ?? "1",
        getComputedStyle(document.documentElement).getPropertyValue("--build").trim() || "1"]""")


def await_new_build(page: Page) -> None:
    wait_until(page, "async () => (await navigator.serviceWorker.getRegistration()).waiting")


def test_a_new_build_is_stored_and_shown_whole(host: Host, browser: Browser) -> None:
    with reader(browser) as context:
        page, other = context.new_page(), context.new_page()
        keep_book(page, host)
        assert builds_seen(page, host) == ["1", "1"]
        other.goto(host.book)
        change(host)
        book_offline.write_worker(host.site)
        assert builds_seen(page, host) == ["1", "1"]  # and the visit has the browser look for a new build
        await_new_build(page)
        assert builds_seen(page, host) == ["1", "1"], "the other tab still reads the old build"
        other.reload()
        other.locator(".keep-book [role=status]", has_text="A new edition is stored too").wait_for()
        other.close()
        cut(context, host)
        page.goto(host.book + "book/notation.html")
        wait_until(page, "async () => !(await navigator.serviceWorker.getRegistration()).waiting")
        assert builds_seen(page, host) == ["2", "2"]
        count = len(listed(host.site))
        wait_until(page, f"async () => (await (await caches.open('book /{FOLDER}/')).keys()).length === {count}")


def test_half_a_build_is_not_stored(host: Host, browser: Browser) -> None:
    """The host is just exchanging its files: sw.js is new already, a page is neither the old nor the new one."""
    with reader(browser) as context:
        page = context.new_page()
        keep_book(page, host)
        change(host)
        book_offline.write_worker(host.site)
        (host.site / "book/glossary.html").write_text("half a page")
        ended = """async () => {
            const registration = await navigator.serviceWorker.getRegistration();
            await registration.update();
            const { installing } = registration;
            return new Promise((done) => installing.addEventListener("statechange", () => done(installing.state)));
        }"""
        assert page.evaluate(ended) == "redundant"
        assert builds_seen(page, host) == ["1", "1"]
        cut(context, host)
        assert builds_seen(page, host) == ["1", "1"]


def test_a_large_file_is_stored_once_it_was_used(host: Host, browser: Browser) -> None:
    (host.site / "_static/model.onnx").write_bytes(bytes(range(251)) * 100)
    book_offline.write_worker(host.site)
    fetch = "async (name) => (await (await fetch(name)).arrayBuffer()).byteLength"
    with reader(browser) as context:
        page = context.new_page()
        keep_book(page, host)
        model = host.book + "_static/model.onnx"
        assert not [address for address in stored(page)[1][f"book /{FOLDER}/"] if ".onnx" in address]
        assert page.evaluate(fetch, model) == 25_100
        wait_until(page, f"async () => JSON.stringify(await ({STORED})()).includes('.onnx')")
        cut(context, host)
        page.reload()
        assert page.evaluate(fetch, model) == 25_100
