"""The website as readers meet it: built from scratch, opened in Chromium, every page and every control.

The site is served from a folder below the server's root, so that an address that only works at the root fails.
"""

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from html.parser import HTMLParser
from os.path import commonpath
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from fontTools.ttLib import TTFont
from matplotlib.colors import to_rgb
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    ElementHandle,
    Page,
    Request,
    Response,
)
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from attnbook.palette import DARK, LIGHT, SURFACES

ROOT = Path(__file__).parent.parent
SITE = ROOT / "_build" / "html"
# A phone reads the whole page before it draws, and lays out each element. These weights are the same on each machine.
MAX_HTML_BYTES = 250_000
MAX_ELEMENTS = 5_000
MAX_PAGE_BYTES = 700_000  # uncompressed, with all that is loaded before the reader scrolls
MAX_SHIFT = 0.01  # of the window: a font that comes late may move a formula or a caption by some pixels
REPOSITORY = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]
COLAB = f"https://colab.research.google.com/github{urlsplit(REPOSITORY['url']).path}/blob/{REPOSITORY['branch']}"
DESK = {"viewport": {"width": 1280, "height": 900}, "permissions": ["clipboard-read", "clipboard-write"]}
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}


def _toc_pages() -> tuple[list[str], list[str]]:
    """The pages that the table of contents lists, and those that it folds under one of them."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    below = [glob for chapter in chapters for section in chapter.get("sections", []) for glob in section.values()]
    folded = [
        path.relative_to(ROOT).with_suffix("").as_posix()
        for glob in below
        for path in sorted(ROOT.glob(f"{glob}.ipynb"))
    ]
    names = [toc["root"], *(chapter["file"] for chapter in chapters)]
    return ["index.html", "search.html"] + [f"{name}.html" for name in names], [f"{name}.html" for name in folded]


LISTED, FOLDED = _toc_pages()
PAGES = LISTED + FOLDED
# The pages of exercises are made alike, of notebooks that are tested one by one; two of them are opened in a browser.
OPENED = [*LISTED, FOLDED[0], FOLDED[-1]]
each_page = pytest.mark.parametrize("name", PAGES)
each_opened_page = pytest.mark.parametrize("name", OPENED)


# --- The site and its browser ----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def site(serve: Callable[[Path], str]) -> str:
    """The address of the freshly built site."""
    build = subprocess.run([sys.executable, ROOT / "tools/build_book.py"], capture_output=True, text=True, check=False)
    if build.returncode:
        pytest.fail(f"the website does not build:\n{build.stdout}{build.stderr}", pytrace=False)
    return f"{serve(SITE.parent)}/{SITE.name}/"


@dataclass
class Visit:
    """A page and all that happened while it was loaded and read to its end."""

    name: str
    page: Page
    complaints: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    bytes_at_first: int = 0
    shifts: list[tuple[float, str]] = field(default_factory=list)


@pytest.fixture(scope="module", params=OPENED)
def at_desk(request: pytest.FixtureRequest, site: str, browser: Browser) -> Iterator[Visit]:
    yield from _read_through(browser, DESK, site, request.param)


@pytest.fixture(scope="module", params=OPENED)
def by_phone(request: pytest.FixtureRequest, site: str, browser: Browser) -> Iterator[Visit]:
    yield from _read_through(browser, PHONE, site, request.param)


@contextlib.contextmanager
def fresh_page(browser: Browser, **options: object) -> Iterator[Page]:
    """A page of a reader who has never been here: nothing is cached or remembered."""
    context = browser.new_context(**options)
    context.set_default_timeout(5_000)
    yield context.new_page()
    context.close()


def _read_through(browser: Browser, options: dict, site: str, name: str) -> Iterator[Visit]:
    with fresh_page(browser, **options) as page:
        yield _visit(page, site, name)


# What moves without the reader's doing, from the first paint on: how far, as the browser counts it, and what.
NOTE_SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries()) {
        const moved = sources.map(({ node }) => (node?.outerHTML ?? node?.data ?? "").slice(0, 80));
        if (!hadRecentInput) window.shifts.push([value, moved.join(" | ")]);
    }
}).observe({ type: "layout-shift", buffered: true });
"""


def _visit(page: Page, site: str, name: str) -> Visit:
    visit = Visit(name, page)
    finished: list[Request] = []

    def note_response(response: Response) -> None:
        if response.status >= 400:
            visit.complaints.append(f"{response.url}: {response.status}")

    def note_message(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            visit.complaints.append(message.text)

    page.on("console", note_message)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.on("requestfailed", lambda request: visit.complaints.append(f"{request.url}: {request.failure}"))
    page.on("request", lambda request: visit.addresses.append(request.url))
    page.on("requestfinished", lambda request: finished.append(request))
    page.on("response", note_response)
    page.add_init_script(NOTE_SHIFTS)
    page.goto(site + name, wait_until="networkidle")
    sizes = [request.sizes() for request in finished if not request.url.startswith("data:")]
    visit.bytes_at_first = sum(size["responseHeadersSize"] + size["responseBodySize"] for size in sizes)
    scroll_through(page)
    visit.shifts = page.evaluate("() => window.shifts")
    return visit


def scroll_through(page: Page) -> None:
    """Go down the page a window at a time, so that everything that waits to come near is loaded; then back up."""
    page.evaluate("""async () => {
        for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight) {
            scrollTo({ top: y, behavior: "instant" });
            // Two frames: a busy browser must notice what came near before the page moves on.
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        }
        const showing = [...document.images].filter((image) => image.checkVisibility());
        await Promise.all(showing.map((image) => image.decode().catch(() => {})));
        scrollTo({ top: 0, behavior: "instant" });
    }""")
    page.wait_for_function("() => !document.querySelector('[data-explorer] > .explorer-still')", timeout=30_000)


# --- What the files say ----------------------------------------------------------------------------------------------


class Reader(HTMLParser):
    """The ids, addresses and pictures in a page's HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.base, self.ids, self.links, self.pictures = "", [], [], []
        self.bytes, self.elements = len(html.encode()), 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.elements += 1
        if tag == "base":
            self.base = attributes["href"]
            return
        if "id" in attributes:
            self.ids.append(attributes["id"])
        for name in ("href", "src", "action"):
            if attributes.get(name) is not None:
                self.links.append(attributes[name])
        if tag == "img":
            self.pictures.append(attributes)


@pytest.fixture(scope="session")
def readers(site: str) -> dict[str, Reader]:
    pages = {path.relative_to(SITE).as_posix(): path for path in SITE.rglob("*.html")}
    return {name: Reader(path.read_text(encoding="utf-8")) for name, path in pages.items()}


def test_the_built_pages_are_those_of_the_table_of_contents(readers: dict[str, Reader]) -> None:
    assert sorted(readers) == sorted([*PAGES, "404.html"])


@each_page
def test_links_lead_somewhere(name: str, readers: dict[str, Reader]) -> None:
    broken = [problem for link in readers[name].links if (problem := _problem_with(link, name, readers))]
    assert not broken, f"{name}: " + "; ".join(broken)


@each_page
def test_no_page_gives_away_a_graded_solution(name: str, site: str) -> None:
    text = (SITE / name).read_text(encoding="utf-8")
    assert not re.search(r"BEGIN (SOLUTION|HIDDEN TESTS)|>Rubric\.", text)


def _problem_with(link: str, name: str, readers: dict[str, Reader]) -> str | None:
    parts = urlsplit(link)
    if parts.scheme in ("http", "https", "mailto", "data") and (parts.netloc or parts.scheme in ("mailto", "data")):
        return None  # another host's pages are its own matter; that nothing is loaded from one is tested below
    if parts.scheme or parts.netloc or link.startswith("/"):
        return f"{link} does not work in a sub-folder"
    target = urlsplit(urljoin(urljoin(f"http://site/{name}", readers[name].base), link))
    path = unquote(target.path).lstrip("/") or "index.html"
    if not (SITE / path).is_file():
        return f"{link} leads to no file"
    if target.fragment and path in readers and unquote(target.fragment) not in readers[path].ids:
        return f"{link}: {path} has no such place"
    return None


@each_page
def test_a_page_is_short_to_read_and_to_lay_out(name: str, readers: dict[str, Reader]) -> None:
    assert 100 < readers[name].elements <= MAX_ELEMENTS, f"{readers[name].elements:,} elements"
    assert readers[name].bytes <= MAX_HTML_BYTES, f"{readers[name].bytes:,} bytes"


@each_page
def test_pictures_have_a_text_of_their_own(name: str, readers: dict[str, Reader]) -> None:
    alts = {picture["src"][:80]: picture.get("alt") or "" for picture in readers[name].pictures}
    wrong = {src: alt for src, alt in alts.items() if not re.search(r"\w \w", alt) or re.search(r"[0-9a-f]{16}", alt)}
    assert not wrong, f"a picture needs alt text in words: {wrong}"


def test_the_font_holds_every_character_of_the_formulas(site: str) -> None:
    held = set(map(chr, TTFont(SITE / "_static/fonts/math.woff2").getBestCmap()))
    invisible = set(" \n\u2061\u2062\u2063\u2064")  # function application and its kin
    for path in sorted(SITE.rglob("*.html")):
        reader = _FormulaText(path.read_text(encoding="utf-8"))
        missing = reader.characters - held - invisible
        assert not missing, f"{path.name}: the font of the formulas lacks {sorted(missing)}"


class _FormulaText(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.inside, self.characters = False, set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.inside |= tag == "math"

    def handle_endtag(self, tag: str) -> None:
        self.inside &= tag != "math"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.characters |= set(data)


# --- What a reader sees ----------------------------------------------------------------------------------------------

RAW_TEX = """() => {
    const text = document.querySelector("article, .bd-search-container").cloneNode(true);
    for (const element of text.querySelectorAll("pre, code, math, script, style")) element.remove();
    return text.textContent.match(/.{0,30}(?:\\$|\\\\[a-zA-Z]+).{0,30}/g) ?? [];
}"""
BAD_FORMULAS = """() => [...document.querySelectorAll("math")].filter((formula) => {
    const box = formula.getBoundingClientRect();
    return !box.width || !box.height || formula.querySelector("merror") || !formula.getAttribute("alttext");
}).map((formula) => formula.outerHTML)"""
REPEATED_IDS = """() => {
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    return ids.filter((id, i) => ids.indexOf(id) !== i);
}"""


def test_page_loads_in_silence(at_desk: Visit) -> None:
    assert not at_desk.complaints, "\n".join(at_desk.complaints)


def test_page_asks_no_other_host(at_desk: Visit, site: str) -> None:
    assert site + at_desk.name in at_desk.addresses
    foreign = [address for address in at_desk.addresses if not address.startswith((site, "data:", "blob:"))]
    assert not foreign, "\n".join(foreign)


def test_no_id_stands_twice(at_desk: Visit) -> None:
    assert at_desk.page.evaluate(REPEATED_IDS) == []


# A picture and its twin for the dark: one of them shows, and only that one is loaded.
EMPTY_PICTURES = (
    """() => [...document.images].filter((i) => i.checkVisibility() && !i.naturalWidth).map((i) => i.src)"""
)


def test_pictures_show(at_desk: Visit) -> None:
    assert at_desk.page.evaluate(EMPTY_PICTURES) == []


def test_formulas_show(at_desk: Visit) -> None:
    assert at_desk.page.evaluate(RAW_TEX) == [], "raw TeX in the text"
    assert at_desk.page.evaluate(BAD_FORMULAS) == []
    if at_desk.page.locator("math").count():
        font = "() => [...document.fonts].filter((f) => /STIX/.test(f.family)).map((f) => f.status)"
        assert at_desk.page.evaluate(font) == ["loaded"]


WIDER_THAN_WINDOW = """() => {
    const width = document.documentElement.clientWidth;
    const scrolls = (e) => e !== document.body &&
        (getComputedStyle(e).overflowX !== "visible" || scrolls(e.parentElement));
    return [...document.body.querySelectorAll("*")]
        .filter((e) => e.getBoundingClientRect().right > width + 1 && !scrolls(e.parentElement))
        .map((e) => e.outerHTML.slice(0, 120)).slice(0, 5);
}"""


def test_page_loads_in_silence_on_a_phone(by_phone: Visit) -> None:
    assert not by_phone.complaints, "\n".join(by_phone.complaints)


def test_page_is_light(by_phone: Visit) -> None:
    assert 10_000 < by_phone.bytes_at_first <= MAX_PAGE_BYTES, f"{by_phone.bytes_at_first:,} bytes"


def test_nothing_moves_by_itself(at_desk: Visit) -> None:
    assert sum(value for value, _ in at_desk.shifts) <= MAX_SHIFT, at_desk.shifts


def test_nothing_moves_by_itself_on_a_phone(by_phone: Visit) -> None:
    assert sum(value for value, _ in by_phone.shifts) <= MAX_SHIFT, by_phone.shifts


def test_page_fits_a_phone(by_phone: Visit) -> None:
    visible, whole = by_phone.page.evaluate("() => [innerWidth, document.documentElement.scrollWidth]")
    assert whole <= visible == PHONE["viewport"]["width"], (
        f"{whole} px wide: {by_phone.page.evaluate(WIDER_THAN_WINDOW)}"
    )


# Contrast as WCAG defines it, between a text and the nearest background behind it. Text in a drawing is left out: what
# lies behind it is drawn too.
FAINT_TEXT = """() => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => {
        context.clearRect(0, 0, 1, 1);
        context.fillStyle = colour;
        context.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = ([r, g, b, a], below) => [r, g, b].map((c, i) => c * a + below[i] * (1 - a));
    const background = (element) => {
        if (!element) return [255, 255, 255];
        const colour = rgba(getComputedStyle(element).backgroundColor);
        return colour[3] === 1 ? colour.slice(0, 3) : over(colour, background(element.parentElement));
    };
    const luminance = (rgb) => rgb.map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const faint = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || element.closest("svg, script, style, noscript, :disabled")) continue;
        if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
        if (!element.getBoundingClientRect().width) continue;
        const style = getComputedStyle(element);
        const behind = background(element);
        const [high, low] = [luminance(over(rgba(style.color), behind)), luminance(behind)].sort((a, b) => b - a);
        const ratio = (high + 0.05) / (low + 0.05);
        const size = parseFloat(style.fontSize);
        if (ratio < (size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5)) {
            const text = walker.currentNode.data.trim().slice(0, 40);
            faint.push(`${text} (${ratio.toFixed(2)}:1, in ${element.className || element.tagName})`);
        }
    }
    return faint;
}"""


NO_TRANSITIONS = """() => {
    const sheet = new CSSStyleSheet();  // the site's policy allows no style element from outside
    sheet.replaceSync("* { transition: none !important; }");
    document.adoptedStyleSheets.push(sheet);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(scheme: str, at_desk: Visit) -> None:
    at_desk.page.evaluate(NO_TRANSITIONS)  # else colours change gradually
    at_desk.page.emulate_media(color_scheme=scheme)
    at_desk.page.locator(f"html[data-theme={scheme}] body").wait_for()
    assert at_desk.page.evaluate(FAINT_TEXT) == []


def test_axe_finds_no_barrier(at_desk: Visit) -> None:
    assert _barriers(at_desk.page) == []


def _barriers(page: Page, within: str | None = None) -> list[str]:
    """What axe finds on the page, or in a part of it. Contrast is left to FAINT_TEXT, which decides every case."""
    found = Axe().run(page, context=within, options={"rules": {"color-contrast": {"enabled": False}}}).response
    open_questions = [rule for rule in found["incomplete"] if rule["impact"] in ("critical", "serious")]
    return [
        f"{rule['id']}: {rule['help']}, as in {rule['nodes'][0]['html'][:120]}"
        for rule in found["violations"] + open_questions
    ]


UNFOLD = """() => {
    for (const details of document.querySelectorAll("details:not([open])")) {
        details.open = true;
        details.setAttribute("data-unfolded", "");
    }
}"""
FOLD = """() => {
    for (const details of document.querySelectorAll("[data-unfolded]")) {
        details.open = false;
        details.removeAttribute("data-unfolded");
    }
}"""
MENUS = {".primary-toggle": "#pst-primary-sidebar-modal", ".secondary-toggle": "#pst-secondary-sidebar-modal",
         ".search-button__button": "#pst-search-dialog"}  # fmt: skip


def test_axe_finds_no_barrier_on_a_dark_phone_with_all_unfolded_and_each_menu_open(by_phone: Visit) -> None:
    page = by_phone.page
    page.evaluate(NO_TRANSITIONS)
    page.emulate_media(color_scheme="dark")
    page.locator("html[data-theme=dark] body").wait_for()
    page.evaluate(UNFOLD)
    told = _barriers(page) + page.evaluate(FAINT_TEXT)
    page.evaluate(FOLD)
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.locator(f"html[data-theme={scheme}] body").wait_for()
        for button, menu in MENUS.items():
            # The page of the search has its field in the page, and its button opens no dialog.
            if page.locator(f"{button}:visible").count() and not (
                menu == "#pst-search-dialog" and page.url.split("?")[0].endswith("/search.html")
            ):
                page.locator(f"{button}:visible").first.click()
                page.locator(f"{menu}[open]").wait_for()
                told += _barriers(page, menu) + page.evaluate(FAINT_TEXT)
                page.keyboard.press("Escape")
                page.locator(f"{menu}:not([open])").wait_for(state="attached")
    assert not told, "\n".join(told)


# Of each picture that shows: its class, its filter, and the colour of its first pixel.
PICTURES_THAT_SHOW = """(images) => Promise.all(images.filter((i) => i.checkVisibility()).map(async (image) => {
    image.loading = "eager";
    await image.decode();
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const style = getComputedStyle(image);
    const corner = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
    return [image.className, style.filter, style.backgroundColor, corner];
}))"""


def test_pictures_are_made_for_the_dark(at_desk: Visit) -> None:
    page = at_desk.page
    card = {scheme: [round(255 * part) for part in to_rgb(SURFACES["card"][scheme])] for scheme in (LIGHT, DARK)}
    for scheme, name in (LIGHT, "light"), (DARK, "dark"):
        page.emulate_media(color_scheme=name)
        page.locator(f"html[data-theme={name}] body").wait_for()
        for made_for, bent, behind, corner in page.locator("article img").evaluate_all(PICTURES_THAT_SHOW):
            assert bent == "none"
            if made_for == "dark-light":  # a photograph
                assert behind == "rgb(255, 255, 255)"
            else:
                assert made_for == f"only-{name}"
                assert corner == pytest.approx(card[scheme], abs=5)


def test_a_light_page_loads_no_dark_picture(by_phone: Visit) -> None:
    assert [address for address in by_phone.addresses if "-dark.png" in address] == []


# What of a printed page a sheet would cut off, with the width of A4's text.
CUT_OFF = """() => [...document.querySelectorAll("article pre, article table, article img, article .math-scroll")]
    .filter((e) => e.checkVisibility() && (e.getBoundingClientRect().right > innerWidth + 1 ||
        (e.matches("pre, .math-scroll") && e.scrollWidth > e.clientWidth + 1)))
    .map((e) => e.outerHTML.slice(0, 120))"""
NOT_ON_PAPER = (
    "nav, .bd-sidebar-primary, .bd-header-article, .prev-next-footer, .bd-footer-content, .copybtn, .skip-link"
)


@pytest.mark.parametrize("name", ["notebooks/02_looking_back.html", "notebooks/12_vision.html", "book/notation.html"])
def test_a_page_can_be_printed(name: str, site: str, browser: Browser) -> None:
    with fresh_page(browser, viewport={"width": 672, "height": 980}, color_scheme="dark") as page:
        page.goto(site + name)
        scroll_through(page)
        page.locator("html[data-theme=dark]").wait_for()
        page.emulate_media(media="print", color_scheme="dark")
        page.locator("html[data-theme=light]").wait_for()
        assert page.locator(NOT_ON_PAPER).evaluate_all("all => all.filter((e) => e.checkVisibility()).length") == 0
        assert page.locator("article button:visible:not(.explorer-body *)").count() == 0
        assert page.evaluate(CUT_OFF) == []
        assert page.evaluate(WIDER_THAN_WINDOW) == []
        assert page.locator("h1:visible").count() == 1
        assert page.locator("article img.only-dark:visible").count() == 0
        behind = "e => getComputedStyle(e).backgroundColor"
        assert page.locator("body").evaluate(behind) in ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)")
        for answer in page.locator("article details p").all():
            assert answer.evaluate("p => p.getBoundingClientRect().height") > 0
        page.emulate_media(media="screen", color_scheme="dark")
        page.locator("html[data-theme=dark]").wait_for()


@each_opened_page
def test_page_stands_without_javascript(name: str, site: str, browser: Browser) -> None:
    with fresh_page(browser, viewport=DESK["viewport"], java_script_enabled=False) as page:
        page.goto(site + name)
        assert page.locator("main h1:visible").count() == 1
        assert page.locator("nav a:visible").count() >= len(LISTED) - 2, "the table of contents is not there"
        assert page.locator("button:visible").all_inner_texts() == [], "a button that does nothing"
        for explorer in page.locator("[data-explorer]").all():
            picture = explorer.locator("img.only-light")
            picture.scroll_into_view_if_needed()
            assert picture.is_visible()
            assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
        if name != "search.html":
            assert len(page.locator("article").inner_text()) > 500


# --- What a reader can move ------------------------------------------------------------------------------------------

# What a control may change: its explorer, its question, its own label (a copy button), or else anything on the page.
# Not part of it are the value of an input (a slider that moves by itself and changes nothing else is dead), and what
# comes late, so that it might be laid at the next control's door: the theme's `tabindex`, and what is read aloud.
STATE = r"""(control) => {
    const around = control.closest("[data-explorer], [data-page-model], details, .copybtn") ?? document.documentElement;
    const copy = around.cloneNode(true);
    for (const spoken of copy.querySelectorAll("[aria-live], [role=status]")) spoken.remove();
    const dialogs = [...document.querySelectorAll("dialog")].map((dialog) => dialog.open);
    const searching = document.activeElement.matches("[type=search]");
    return [location.href, dialogs, searching, copy.outerHTML.replace(/ tabindex="-?\d"/g, "")].join();
}"""
# Scrolling to a control, pointing at it and focusing it may change things too, which must not count.
SETTLED = f"""async (control) => {{
    const state = {STATE};
    for (let before; ;) {{
        before = state(control);
        await new Promise((done) => setTimeout(done, 80));
        if (state(control) === before) return before;
    }}
}}"""
PATIENCE = 3_000  # milliseconds for a control that did not answer at first: the machine may be busy
REPEATED = [".copybtn", "summary:not([data-explorer] *)"]
CONTROLS = "button, summary, input, select, textarea, [role=button], [role=slider], [role=tab], [contenteditable]"


def test_no_control_is_dead(at_desk: Visit) -> None:
    _use_all(at_desk.page)


def test_no_control_is_dead_on_a_phone(by_phone: Visit) -> None:
    page = by_phone.page
    # Of what a page repeats, and is tried one by one at the desk, three are enough.
    spared = {place for kind in REPEATED for place in _all_but_three(_places(page, kind))}
    _use_all(page, spared)


# A visible control by its place in the page, so that it is found again after another control has had it drawn anew.
BY_PLACE = """(selector) => {
    const place = (e) => e.parentElement ? `${place(e.parentElement)}/${[...e.parentElement.children].indexOf(e)}` : "";
    const visible = [...document.querySelectorAll(selector)].filter((e) => e.checkVisibility());
    return Object.fromEntries(visible.map((e) => [`${place(e)} ${e.localName} ${e.type ?? ""}`, e]));
}"""


def _places(page: Page, selector: str) -> list[str]:
    return page.evaluate(f"(selector) => Object.keys(({BY_PLACE})(selector))", selector)


def _control_at(page: Page, place: str) -> ElementHandle | None:
    found = f"([selector, place]) => ({BY_PLACE})(selector)[place] ?? null"
    return page.evaluate_handle(found, [CONTROLS, place]).as_element()


def _all_but_three(places: list[str]) -> set[str]:
    return set(places) - {places[i] for i in (0, len(places) // 2, -1) if places}


def _use_all(page: Page, spared: Set[str] = frozenset()) -> None:
    """Use each control that is not spared, those of the explorers forwards, backwards, and then each after others.

    One round is not enough: a choice that is made already, or a button that resets, has something to do only after
    another control was used. And a busy machine may answer late, so that the later rounds wait longer. A search leaves
    the page and comes last.
    """
    places = [place for place in _places(page, CONTROLS) if place not in spared]
    assert places
    searches = [place for place in places if place.endswith(" input search")]
    # A choice may exchange other controls, and a sidebar takes its own with it.
    late = set(_places(page, "select, .sidebar-toggle"))
    rest = sorted((place for place in places if place not in searches), key=late.__contains__)
    idle = dict.fromkeys(rest, "")
    _use_each(page, rest, idle)
    if idle:
        page.keyboard.press("Escape")  # a dialog that opened late
        order = _places(page, f"[data-explorer] :is({CONTROLS})")
        _use_each(page, [place for place in idle if place not in order], idle, patience=PATIENCE)
        _use_again(page, order[::-1], idle)
        for place in list(idle):
            near = sorted(order, key=lambda other: len(commonpath([other, place])), reverse=True)
            if _answers_after_another(page, place, near[:80]):
                del idle[place]
    idle |= dict.fromkeys(searches, "a search that is gone")
    _use_each(page, searches, idle)
    dead = [description for description in idle.values() if description]
    assert not dead, "nothing happens on " + "; ".join(dead)


def _use_each(page: Page, places: list[str], idle: dict[str, str], patience: int = 500) -> None:
    """Use the controls at these places. Those that answer leave `idle`; of the others it keeps a description."""
    for place in places:
        control = _control_at(page, place)
        if control is None:
            continue  # another control has taken it away for now
        if _answers(page, control, patience):
            idle.pop(place, None)
        elif place in idle:
            idle[place] = _describe(control)
        page.keyboard.press("Escape")  # closes a dialog, so that the next control can be reached


def _use_again(page: Page, places: list[str], idle: dict[str, str]) -> None:
    """Use the controls at these places, so that something changes and the idle ones among them have something to do.

    What was chosen stays chosen (no Escape): some buttons are there to undo just that.
    """
    for place in places:
        control = _control_at(page, place)
        if control is None:
            continue
        if place not in idle:
            with contextlib.suppress(PlaywrightTimeout):
                if control.is_visible() and control.is_enabled():
                    _use(page, control)
                    page.wait_for_timeout(40)  # the next one may be drawn anew
        elif _answers(page, control, PATIENCE):
            del idle[place]
        else:
            idle[place] = _describe(control)


def _answers_after_another(page: Page, place: str, others: list[str]) -> bool:
    """Whether a control answers when one of the others was used before, and another choice was made in its group."""
    for other in others:
        _use_again(page, [other], {})
        control = _control_at(page, place)
        if other == place or control is None or not control.is_enabled():
            continue
        sibling = control.evaluate_handle("""e => e.ariaPressed === "true" && [...e.parentElement.children].find(
            (other) => other.matches("button:enabled[aria-pressed=false]")) || null""").as_element()
        if sibling:
            sibling.click()
        if _answers(page, control, patience=500):
            return True
    return False


def _describe(control: ElementHandle) -> str:
    return control.evaluate("e => e.cloneNode(false).outerHTML + e.textContent.trim().slice(0, 40)")


def _answers(page: Page, control: ElementHandle, patience: int) -> bool:
    """Whether the control is on offer, and using it changes anything within so many milliseconds."""
    if not control.is_visible() or not control.is_enabled():
        return False
    try:
        control.hover()
        control.evaluate(
            "e => e.matches('input, select, textarea, [role=slider]') ? e.focus() : document.activeElement.blur()"
        )
        before = control.evaluate(SETTLED)
        if _use(page, control) == "search":
            page.wait_for_url("**/search.html?q=attention*")
            return True
        changed = f"([control, before]) => ({STATE})(control) !== before"
        page.wait_for_function(changed, arg=[control, before], timeout=patience)
    except PlaywrightTimeout:
        return False
    return True


def _use(page: Page, control: ElementHandle) -> str:
    """Use a control as a reader would, and return its kind."""
    kind = control.evaluate("e => e.matches('input') ? e.type : e.getAttribute('role') ?? e.localName")
    if kind in ("range", "slider"):
        control.focus()
        at_end = control.evaluate("e => e.type === 'range' && +e.value >= +e.max")
        page.keyboard.press("ArrowLeft" if at_end else "ArrowRight")
    elif kind == "select":
        control.evaluate("""e => {
            e.selectedIndex = (e.selectedIndex + 1) % e.options.length;
            for (const type of ["input", "change"]) e.dispatchEvent(new Event(type, { bubbles: true }));
        }""")
    elif kind == "search":
        control.fill("attention")
        control.press("Enter")
    elif kind in ("text", "number", "textarea"):
        _type_something_new(control)
        control.press("Enter")
    else:
        # A form that was sent once has something to do only when something new was typed.
        field = control.evaluate_handle("e => (e.type === 'submit' && e.form?.querySelector('[type=text]')) || null")
        if field.as_element():
            _type_something_new(field.as_element())
        control.click()
    return kind


def _type_something_new(field: ElementHandle) -> None:
    field.fill("208" if re.sub(r"\D", "", field.input_value()) == "345678" else "345678")


def test_what_is_not_the_books_own_does_not_run(site: str, browser: Browser) -> None:
    with fresh_page(browser, **DESK) as page:
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(site + "book/index.html")
        outcome = page.evaluate("""async () => {
            const script = document.createElement("script");
            script.textContent = "window.foreign = true";
            document.head.append(script);
            const picture = new Image();
            const event = new Promise((done) => { picture.onload = picture.onerror = (event) => done(event.type); });
            picture.src = "http://localhost:9/picture.png";
            return [window.foreign ?? "refused", await event];
        }""")
        assert outcome == ["refused", "error"]
        assert sum("Content Security Policy" in text for text in said) == 2
    rules = (SITE / "_headers").read_text(encoding="utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', (SITE / "index.html").read_text())
    # The header serves the pages with a model too, which may compile WebAssembly; this page's own policy forbids it.
    assert f"Content-Security-Policy: {policy[1]};" in rules.replace(" 'wasm-unsafe-eval'", "")
    assert "'unsafe-eval'" not in rules
    assert re.findall(r"(\S+) 'unsafe-inline'", rules) == ["style-src-attr"]


def test_copy_button_copies_the_code(site: str, browser: Browser) -> None:
    name = next(name for name in PAGES if name.startswith("notebooks/"))
    with fresh_page(browser, **DESK) as page:
        page.goto(site + name)
        cell = page.locator("div.cell_input").first
        cell.hover()
        cell.locator("button.copybtn").click()
        copied = page.evaluate("() => navigator.clipboard.readText()")
    notebook = json.loads((ROOT / name).with_suffix(".ipynb").read_text(encoding="utf-8"))
    first = next(cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code")
    assert copied.strip() == "".join(first).strip()


def test_colour_mode_goes_round_and_is_remembered(site: str, browser: Browser) -> None:
    with fresh_page(browser, color_scheme="light", **DESK) as page:
        page.goto(site)
        seen = []
        for _ in range(3):
            seen.append([page.locator("html").get_attribute(name) for name in ("data-mode", "data-theme")])
            page.locator(".theme-switch-button").click()
        assert seen == [["auto", "light"], ["dark", "dark"], ["light", "light"]]
        page.locator(".theme-switch-button").click()
        page.goto(site + LISTED[-1])
        background = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        assert sum(map(int, re.findall(r"\d+", background)[:3])) < 150, "the next page is not dark"


@pytest.mark.parametrize("device", [DESK, PHONE], ids=["desk", "phone"])
def test_search_finds_a_word(device: dict, site: str, browser: Browser) -> None:
    with fresh_page(browser, **device) as page:
        page.goto(site)
        page.locator(".search-button__button:visible").first.click()
        page.locator("#pst-search-dialog input").fill("bottleneck")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search.html?q=bottleneck*")
        page.locator("#search-results ul.search li > a", has_text="Glossary > Bottleneck").click()
        page.wait_for_url("**/*#bottleneck")
        page.locator("#bottleneck .highlighted", has_text="Bottleneck").first.wait_for()
        place = page.locator("#bottleneck").bounding_box()
        assert 0 <= place["y"] < device["viewport"]["height"], "the place found is not on the screen"


def test_notebooks_open_in_colab(site: str, browser: Browser) -> None:
    names = [name for name in PAGES if name.startswith("notebooks/")]
    assert names
    with fresh_page(browser, **DESK) as page:
        for name in names:
            page.goto(site + name)
            notebook = Path(name).with_suffix(".ipynb").as_posix()
            assert (ROOT / notebook).is_file()
            link = page.get_by_role("link", name="Open in Colab")
            assert link.get_attribute("href") == f"{COLAB}/{notebook}"
            download = page.get_by_role("link", name="Notebook", exact=True).get_attribute("href")
            assert page.request.get(urljoin(page.url, download)).body() == (ROOT / notebook).read_bytes()
