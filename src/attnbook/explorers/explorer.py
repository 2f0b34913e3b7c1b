"""What all explorers share: one object that is a widget in a notebook and plain HTML on the website."""

import base64
import hashlib
import html
import io
import json
import re
from pathlib import Path
from typing import Any

import anywidget
import matplotlib.pyplot as plt
from ipywidgets import DOMWidget
from matplotlib.figure import Figure
from PIL import Image

FOLDER = Path(__file__).parent
_KIT_IMPORT = re.compile(r'^import \{[^}]*\} from "\./kit\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=function |const )", re.MULTILINE)
PIXELS_PER_INCH = 100
STILL = "A still picture. To try it yourself, run the notebook or open this page with JavaScript."


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def inline_kit(code: str, kit: str) -> str:
    """Put the kit's functions in place of an explorer's import of them: a widget's JavaScript must be one file.

    >>> print(inline_kit('import { half } from "./kit.js";\\nhalf(8);', "export const half = (x) => x / 2;"))
    const half = (x) => x / 2;
    half(8);
    """
    own, imports = _KIT_IMPORT.subn("", code)
    if imports != 1:
        wanted = 'import {…} from "./kit.js";'
        raise ValueError(f"an explorer should import the kit once, as `{wanted}`, found {imports} such imports")
    return _EXPORT.sub("", kit) + "\n" + own


def widget_code(name: str) -> str:
    """The JavaScript of an explorer as one file.

    >>> "import" in widget_code("weighted_sum_explorer")
    False
    """
    return inline_kit(_read(f"{name}.js"), _read("kit.js"))


def widget_style(name: str) -> str:
    """The style sheet of an explorer as one file: what all explorers share, and its own.

    In a notebook with several explorers what they share comes again after the first one's own rules, so these are
    nested in a selector that is stronger than any of the shared ones.

    >>> ".weighted-sum" in widget_style("weighted_sum_explorer")
    True
    """
    return f"{_read('explorer.css')}\n.explorer-body.explorer-body {{\n{_read(f'{name}.css')}}}\n"


class Explorer(anywidget.AnyWidget):
    """Base class. A subclass keeps its state in synced traits, its JavaScript in `name`.js and its look in `name`.css.

    It says too what its still picture is: `draw` (a figure), `describe` (its alt text) and `caption`.

    >>> from attnbook.explorers import FadingMemoryExplorer
    >>> explorer = FadingMemoryExplorer(words=2)
    >>> explorer.html().count("<img"), explorer.describe()[:32]
    (1, 'Bars of what is left of each wor')
    """

    name: str
    caption: str

    # In ipywidgets 7 (Colab) this method displays the widget and nothing else. Without it IPython asks, as it does
    # with ipywidgets 8, for the mimebundle below.
    _ipython_display_ = None

    def draw(self) -> Figure:
        """The still picture of the present state."""
        raise NotImplementedError

    def describe(self) -> str:
        """The still picture in words."""
        raise NotImplementedError

    def state(self) -> dict[str, object]:
        """What the JavaScript starts from: the synced traits that the subclass added."""
        inherited = DOMWidget.class_trait_names(sync=True)
        return {name: getattr(self, name) for name in self.trait_names(sync=True)
                if name not in inherited and not name.startswith("_")}  # fmt: skip

    def html(self) -> str:
        """The explorer without a kernel: its state for the website's `mount.js`, and until that runs, a picture."""
        with plt.style.context("default"):  # whatever style the notebook has chosen: the card is white
            figure = self.draw()
            png = _png(figure)
        width, height = (round(inches * PIXELS_PER_INCH) for inches in figure.get_size_inches())
        state = json.dumps(self.state(), sort_keys=True, ensure_ascii=False, allow_nan=False)
        code = hashlib.sha256((str(self._esm) + str(self._css)).encode()).hexdigest()[:12]
        return (
            f'<figure class="explorer" data-explorer="{self.name}" data-state="{html.escape(state)}" '
            f'data-code="{code}">\n'
            f'<div class="explorer-still">\n'
            f'<img src="data:image/png;base64,{base64.b64encode(png).decode()}" '
            f'width="{width}" height="{height}" alt="{html.escape(self.describe())}">\n'
            f"<p>{STILL}</p>\n</div>\n"
            f"<figcaption>{html.escape(self.caption)}</figcaption>\n</figure>"
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return {**data, "text/html": self.html()}, metadata


def _png(figure: Figure) -> bytes:
    """The figure at two pixels for each of the page's, for sharp screens; few colours, for small pages."""
    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, dpi=2 * PIXELS_PER_INCH)
    Image.open(full).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(small, "png", optimize=True)
    return small.getvalue()


def static_files() -> dict[str, str]:
    """The browser files by name: what the website serves from one folder.

    >>> {"mount.js", "kit.js", "explorer.css"} <= static_files().keys()
    True
    """
    return {path.name: _read(path.name) for path in sorted(FOLDER.iterdir()) if path.suffix in (".js", ".css")}


def write_static(folder: Path) -> list[Path]:
    """Write the browser files into a folder, which is made if need be, and return their paths.

    A page with explorers needs `<script type="module">` with `mount.js`, a style sheet link to `explorer.css`, and
    after that one to the `name`.css of each of its explorers.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     "mount.js" in {path.name for path in write_static(Path(folder, "explorers"))}
    True
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in static_files().items():
        paths.append(folder / name)
        paths[-1].write_text(text, encoding="utf-8", newline="\n")
    return paths
