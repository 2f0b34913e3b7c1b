"""Trained models as ONNX files, which a browser runs: the website's pages offer them to the reader.

Each module of this package writes one model: its graphs, with the attention weights among their outputs, and beside
them a *manifest*, a JSON file that names the graphs with their sizes and holds what the page must know of the model
(its vocabulary, say). What the browser computes equals what the library computes within 1e-3; `tests/test_page_models`
compares the two in the page.
"""

from collections.abc import Callable
from pathlib import Path

from attnbook.onnx_models import language_model, minilm, translator

WRITERS: dict[str, Callable[[Path], Path]] = {
    "translator": translator.write,
    "language_model": language_model.write,
    "minilm": minilm.write,
}


def write_all(folder: Path) -> list[Path]:
    """Write every model into a folder, which is made if need be, and return the paths of the manifests."""
    folder.mkdir(parents=True, exist_ok=True)
    return [write(folder) for write in WRITERS.values()]
