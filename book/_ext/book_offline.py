"""The book on a reader's own device: a control on the front page, and the service worker that stores what it lists.

    ```{keep-book}
    ```

The page that a host shows for an address that does not exist is written here too, since it is also the offline one.
"""

import base64
import hashlib
import json
import shutil
from pathlib import Path
from urllib.parse import quote, urlsplit

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

PARTS = Path(__file__).parent.parent / "_offline"
SIZE = "SIZE-OF-THE-BOOK"
# The first state stands in the page, so that nothing moves when keep.js has looked what is stored.
CONTROL = f"""<div class="keep-book pst-js-only" id="keep-this-book" data-size="{SIZE}">
<button type="button">Keep this book on this device: {SIZE}</button>
<button type="button" hidden>Remove it from this device</button>
<progress hidden aria-label="Stored of the book" max="1"></progress>
<p role="status"></p>
</div>
<script type="module" src="../_static/keep.js"></script>"""
# What runs a model in the page is many times as large as the book. It is stored once a reader has used it.
LARGE = {".onnx", ".wasm"}
# For hosts and other books, not for readers; and the notebooks to download, which are as large as the book again.
LEFT_OUT = {"_headers", "_sources", "objects.inv", "sw.js"}


class KeepBook(SphinxDirective):
    """The control; it stands on one page of the folder book/."""

    def run(self) -> list[nodes.Node]:
        return [nodes.raw("", CONTROL, format="html")]


def contents(site: Path) -> tuple[dict[str, tuple[str, int]], dict[str, tuple[str, int]]]:
    """What is stored when a reader asks, and what once it was used: path -> SHA-256 in base64, and bytes."""
    files: dict[str, tuple[str, int]] = {}
    on_use: dict[str, tuple[str, int]] = {}
    for path in sorted(site.rglob("*")):
        name = path.relative_to(site)
        if path.is_file() and name.parts[0] not in LEFT_OUT and not name.name.startswith("."):
            data = path.read_bytes()
            hash_ = base64.b64encode(hashlib.sha256(data).digest()).decode()
            (on_use if path.suffix in LARGE else files)[quote(name.as_posix())] = (hash_, len(data))
    return files, on_use


def megabytes(count: int) -> str:
    """A number of bytes as a reader wants it.

    >>> megabytes(7_380_000)
    '7.4 MB'
    """
    return f"{count / 1e6:.1f} MB"


def write_missing_page(app: Sphinx, exception: Exception | None) -> None:
    """Before the policy is written, which then knows what stands in this page."""
    if exception or app.builder.name != "html":
        return
    published = urlsplit(app.config.html_baseurl).path or urlsplit(app.config.html_theme_options["repository_url"]).path
    folder = f"/{published.strip('/').split('/')[-1]}/"  # GitHub Pages serves ORG/NAME at /NAME/
    page = (PARTS / "404.html").read_text(encoding="utf-8").replace("BOOK-FOLDER", folder)
    Path(app.outdir, "404.html").write_text(page, encoding="utf-8")


def write_offline(app: Sphinx, exception: Exception | None) -> None:
    """Last of all, when every file is as it will be served."""
    if exception or app.builder.name != "html":
        return
    site = Path(app.outdir)
    shutil.copy(PARTS / "keep.js", site / "_static")
    whole = sum(count for _, count in contents(site)[0].values())
    for path in site.rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        if SIZE in page:
            page = page.replace(SIZE, megabytes(whole)).replace('max="1"', f'max="{whole}"')
            path.write_text(page, encoding="utf-8")
    write_worker(site)


def write_worker(site: Path) -> None:
    """Write the service worker for what lies in a site."""
    files, on_use = contents(site)
    book = json.dumps({"files": files, "onUse": on_use}).replace("], ", "],\n")  # a line for each file
    worker = (PARTS / "sw.js").read_text(encoding="utf-8")
    (site / "sw.js").write_text(f"const BOOK = {book};\n\n{worker}", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("keep-book", KeepBook)
    app.connect("build-finished", write_missing_page, priority=940)  # book_policy comes at 950
    app.connect("build-finished", write_offline, priority=990)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
