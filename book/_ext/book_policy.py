"""A strict Content-Security-Policy for the whole website: what is not the book's own is not loaded and does not run.

Each page carries it in a `meta` element, so that it holds on hosts that cannot set headers. `_headers`, beside the
pages, holds it for hosts that can, in the form that several of them read as it is.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from sphinx.application import Sphinx

INLINE = re.compile(r"<(script|style)(?![^>]*\ssrc=)[^>]*>(.*?)</\1>", re.DOTALL)
CHARSET = '<meta charset="utf-8" />'  # must stand in the first 1,024 bytes of a page, so the policy comes after it
MODEL = "data-page-model="  # a page that has it may compile WebAssembly, once the reader asks for the model
META = '<meta http-equiv="Content-Security-Policy" content="{}">'


def policy(pages: Iterable[str], *, models: bool = False) -> str:
    """What these pages of HTML may load and run: the site's own files, and the few scripts and styles that they hold.

    With `models` they may compile the site's own WebAssembly too. That allows no JavaScript from text.

    >>> policy(["<script>go()</script>"])[:76]
    "default-src 'none'; script-src 'self' 'sha256-5KYv+PUboo5h+0+YAtGRPbwv5d/Qxz"
    """
    inline = sorted({(kind, _hash(text)) for page in pages for kind, text in INLINE.findall(page)})
    scripts, styles = ([code for kind, code in inline if kind == wanted] for wanted in ("script", "style"))
    rules = {
        "default-src": ["'none'"],
        "script-src": ["'self'", *(["'wasm-unsafe-eval'"] if models else []), *scripts],
        "style-src": ["'self'", *styles],
        "style-src-attr": ["'unsafe-inline'"],  # where a table's column is aligned, and where an explorer draws
        "img-src": ["'self'", "data:"],
        "media-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "manifest-src": ["'self'"],
        "worker-src": ["'self'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
    }
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in rules.items())


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def write_policy(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.name != "html":
        return
    pages = {path: path.read_text(encoding="utf-8") for path in sorted(Path(app.outdir).rglob("*.html"))}
    for path, page in pages.items():
        rules = policy(pages.values(), models=MODEL in page)
        path.write_text(page.replace(CHARSET, f"{CHARSET}\n    {META.format(rules)}", 1), encoding="utf-8")
    # Hosts add up the headers that match an address, so there is one for all pages, as wide as the widest. A browser
    # obeys header and page together, so that the pages without a model still refuse.
    rules = policy(pages.values(), models=any(MODEL in page for page in pages.values()))
    headers = [f"Content-Security-Policy: {rules}; frame-ancestors 'self'", "X-Content-Type-Options: nosniff",
               "Referrer-Policy: same-origin"]  # fmt: skip
    Path(app.outdir, "_headers").write_text("\n  ".join(["/*", *headers]) + "\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", write_policy, priority=950)  # after book_bundle, which writes the front page
    return {"parallel_read_safe": True, "parallel_write_safe": True}
