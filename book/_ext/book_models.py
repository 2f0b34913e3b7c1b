"""The models that run in the pages: one stands after each cell that has the tag `page-model-NAME`.

`make models` has written the files; here the page gets the place where a reader may ask for them, with the size of what
would be fetched. Without the files (no npm could be reached) the page is as it would be without the tag.
"""

import html
import json
import shutil
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

TAG = "tag_page-model-"
# What each model does, in one sentence that a reader without JavaScript reads too.
OFFERS = {
    "translator": "The trained translator can run here, in your browser: type a number in digits or in English words, "
    "and see what it writes and where it looks.",
    "language_model": "The trained language model can run here, in your browser: begin a text, let it write on, and "
    "see what each head looked at for every character.",
    "minilm": "MiniLM can run here, in your browser: type a sentence of your own, and see in the explorer above what "
    "each of its 72 heads looks at.",
}
STILL = "This needs JavaScript."


def place_models(app: Sphinx, doctree: nodes.document) -> None:
    """Put each tagged cell's model after the cell."""
    folder = Path(app.config.page_models)
    for cell in list(doctree.findall(nodes.container)):
        for name in [name.removeprefix(TAG) for name in cell["classes"] if name.startswith(TAG)]:
            if name not in OFFERS:
                raise ValueError(f"{app.env.docname}: no model is called {name!r}; there are {', '.join(OFFERS)}")
            if (folder / f"{name}.json").is_file():
                cell.parent.insert(cell.parent.index(cell) + 1, nodes.raw("", figure(folder, name), format="html"))


def figure(folder: Path, name: str) -> str:
    """The place of a model: what it would do, and how many bytes it and what runs it have."""
    graphs = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["graphs"]
    parts = json.loads((folder / "runtime.json").read_text(encoding="utf-8"))
    size = sum(entry["bytes"] for entry in [*graphs.values(), *parts.values()])
    offer = html.escape(OFFERS[name])
    return (
        f'<figure class="explorer page-model" data-page-model="{name}" data-bytes="{size}" data-offer="{offer}">\n'
        f'<div class="explorer-still"><p>{offer} {STILL}</p></div>\n</figure>'
    )


def note_models(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    """Tell the page's template whether to load the script that offers models."""
    context["page_models"] = "data-page-model=" in context.get("body", "")


def write_models(app: Sphinx, exception: Exception | None) -> None:
    """Put the files where the pages' scripts ask for them."""
    folder = Path(app.config.page_models)
    if exception is None and app.builder.name == "html" and folder.is_dir():
        shutil.copytree(folder, Path(app.outdir, "_static/models"), dirs_exist_ok=True)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("page_models", str(Path(app.srcdir, "_build/models/site")), "env")
    app.connect("doctree-read", place_models)
    app.connect("html-page-context", note_models)
    app.connect("build-finished", write_models, priority=910)  # after book_bundle has swept the folder
    return {"parallel_read_safe": True, "parallel_write_safe": True}
