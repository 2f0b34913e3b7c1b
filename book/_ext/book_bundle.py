"""Put together what every page loads: one stylesheet, one script and two fonts, each cut down to what the book uses.

The theme and its extensions come with some 2.5 MB of styles, icons and scripts in a dozen files. A page that a phone
opens needs about a twentieth of that.
"""

import html
import itertools
import logging
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import pydata_sphinx_theme
import tinycss2
import ziamath
from fontTools import subset
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx

from attnbook import explorers

# The theme links these two by itself, ahead of everything that Sphinx knows of.
THEME_STYLES = ["basic.css", "styles/pydata-sphinx-theme.css"]
# Not among Sphinx's script files either. Bootstrap is left out: the book has no menu and no tooltip that needs it.
THEME_SCRIPTS = ["scripts/pydata-sphinx-theme.js"]
SEARCH_SCRIPTS = ["searchtools.js", "language_data.js"]  # only the search page loads these
KEPT = ["book.css", "book.js", "favicon.svg", "fonts", "explorers", "models", *SEARCH_SCRIPTS]

ICON_FONT = Path(pydata_sphinx_theme.__file__).parent / (
    "theme/pydata_sphinx_theme/static/vendor/fontawesome/webfonts/fa-solid-900.ttf"
)
MATH_FONT = Path(ziamath.__file__).parent / "fonts/STIXTwoMath-Regular.ttf"
# An explorer may write any of these into a formula that no page holds yet.
ALWAYS_IN_FORMULAS = "".join(map(chr, range(0x20, 0x7F))) + "αβδεθλσταΣΔ·×−√∑∞≤≥≈⊤"
FONT_FACES = """
@font-face{font-family:"Font Awesome 6 Free";font-weight:900;font-display:block;src:url(fonts/icons.woff2)}
@font-face{font-family:"STIX Two Math";font-display:swap;src:url(fonts/math.woff2)}
"""

logging.getLogger("fontTools").setLevel(logging.WARNING)  # it reports each table that it has cut down


# --- While the pages are written -------------------------------------------------------------------------------------


def prepare_page(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    """Note the styles and scripts that the page asks for, and tell its template what to load in their place."""
    for asset in context["css_files"]:
        app.book_styles.setdefault(asset.filename.removeprefix("_static/"))
    for asset in context["script_files"]:
        if asset.filename:
            app.book_scripts.setdefault(asset.filename.removeprefix("_static/"))
    body = context.get("body", "")
    context["explorers"] = sorted(set(re.findall(r'data-explorer="(\w+)"', body)))
    context["preloaded_fonts"] = ["fonts/icons.woff2"] + (["fonts/math.woff2"] if "<math" in body else [])


# --- When they are all there -----------------------------------------------------------------------------------------


def bundle(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.name != "html":
        return
    site = Path(app.outdir)
    static = site / "_static"
    explorers.write_static(static / "explorers")

    scripts = [static / name for name in [*app.book_scripts, *THEME_SCRIPTS]]
    (static / "book.js").write_text(";\n".join(without_source_map(script) for script in scripts), encoding="utf-8")

    pages = [path.read_text(encoding="utf-8") for path in sorted(site.rglob("*.html"))]
    programs = [(static / name).read_text(encoding="utf-8") for name in ["book.js", *SEARCH_SCRIPTS]]
    programs += [path.read_text(encoding="utf-8") for path in sorted((static / "explorers").rglob("*.js"))]
    words = set(re.findall(r"[\w-]+", "\n".join(pages + programs)))
    styles = [static / name for name in [*THEME_STYLES, *app.book_styles]]
    sheet = "\n".join(used_rules(path.read_text(encoding="utf-8"), words) for path in styles)
    # An explorer may put the names of its classes together as it runs, so its styles are all kept. Only the pages that
    # have it load its own; this is what all share.
    sheet += (static / "explorers/explorer.css").read_text(encoding="utf-8")
    (static / "book.css").write_text(FONT_FACES + sheet, encoding="utf-8")

    (static / "fonts").mkdir()
    write_subset(ICON_FONT, static / "fonts/icons.woff2", icons_in(sheet))
    write_subset(MATH_FONT, static / "fonts/math.woff2", characters_in_formulas(pages))

    for path in static.iterdir():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    write_front_page(site, app.builder.get_target_uri(app.config.root_doc))


def without_source_map(script: Path) -> str:
    return re.sub(r"^//# sourceMappingURL=.*$", "", script.read_text(encoding="utf-8"), flags=re.MULTILINE)


def write_front_page(site: Path, front_page: str) -> None:
    """The front page again at the site's root; its links are counted from where the page itself stands."""
    page = (site / front_page).read_text(encoding="utf-8")
    page = page.replace("<head>", f'<head>\n    <base href="{front_page}">', 1)
    (site / "index.html").write_text(page, encoding="utf-8")


# --- Styles ----------------------------------------------------------------------------------------------------------


def used_rules(css: str, words: set[str]) -> str:
    """The rules of a stylesheet whose classes and ids all occur in the site, as words anywhere in a page or script."""
    return "".join(used(tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True), words))


def used(rules: Iterable[tinycss2.ast.Node], words: set[str]) -> Iterator[str]:
    for rule in rules:
        if rule.type == "at-rule":
            if rule.lower_at_keyword in ("media", "supports", "layer", "container") and rule.content is not None:
                inner = "".join(used(tinycss2.parse_rule_list(rule.content, True, True), words))
                if inner:
                    yield f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{inner}}}"
            elif rule.lower_at_keyword not in ("font-face", "import", "charset"):  # FONT_FACES stand in for the theme's
                yield rule.serialize()
        elif rule.type == "qualified-rule":
            kept = [selector for selector in selectors(rule.prelude) if names(selector) <= words]
            if kept:
                body = tinycss2.serialize(rule.content).strip()
                yield f"{','.join(tinycss2.serialize(selector).strip() for selector in kept)}{{{body}}}\n"


def selectors(prelude: list[tinycss2.ast.Node]) -> list[list[tinycss2.ast.Node]]:
    found = [[]]
    for token in prelude:
        if token == ",":
            found.append([])
        else:
            found[-1].append(token)
    return found


def names(selector: list[tinycss2.ast.Node]) -> set[str]:
    """The classes and ids that an element must have; those within `:not(...)` or `:is(...)` are not looked at."""
    classes = {name.value for dot, name in itertools.pairwise(selector) if dot == "." and name.type == "ident"}
    return classes | {token.value for token in selector if token.type == "hash"}


# --- Fonts -----------------------------------------------------------------------------------------------------------


def icons_in(css: str) -> str:
    """The icons that a stylesheet writes: the icon font keeps them where Unicode has no characters of its own."""
    return "".join(sorted(set(re.findall("[\ue000-\uf8ff]", css))))


def characters_in_formulas(pages: list[str]) -> str:
    formulas = "".join(formula for page in pages for formula in re.findall(r"<math.*?</math>", page, re.DOTALL))
    written = set(html.unescape(re.sub(r"<[^>]*>", "", formulas)) + ALWAYS_IN_FORMULAS)
    return "".join(sorted(written | set(map(italic, written))))


def italic(letter: str) -> str:
    """The mathematical italic of a letter, which a browser shows for a letter that stands alone in a formula."""
    for first, last, start in [("A", "Z", 0x1D434), ("a", "z", 0x1D44E), ("Α", "Ω", 0x1D6E2), ("α", "ω", 0x1D6FC)]:
        if first <= letter <= last:
            return chr(start + ord(letter) - ord(first))
    return letter


def write_subset(font: Path, target: Path, characters: str) -> None:
    licence = [0, 13, 14]  # stays in the font
    options = subset.Options(flavor="woff2", layout_features=["ssty", "dtls"], hinting=False, name_IDs=[1, 2, *licence])
    with TTFont(font, recalcTimestamp=False) as glyphs:
        subsetter = subset.Subsetter(options)
        subsetter.populate(text=characters + "ℎ")  # the italic h stands by itself, far from the other italics
        subsetter.subset(glyphs)
        subset.save_font(glyphs, str(target), options)


def setup(app: Sphinx) -> dict[str, bool]:
    app.book_styles, app.book_scripts = {}, {}
    app.add_config_value("comments_config", {}, "html")  # Jupyter Book sets it even where nothing reads it
    # Late, so that the theme and all extensions have had their say.
    app.connect("html-page-context", prepare_page, priority=900)
    app.connect("build-finished", bundle, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
