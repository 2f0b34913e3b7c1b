"""What Colab makes of a notebook that is opened from GitHub, worked on, and downloaded."""

import copy
import json
import uuid
from typing import Any

from nbformat import NotebookNode

LINE = "https://localhost:8080/"


def as_colab_writes_it(notebook: NotebookNode, *, locks: bool = True, widgets: bool = False) -> bytes:
    """The file that Colab's *Download .ipynb* gives.

    It has nbformat 4.0, in which cells have no ids; Colab's own ids stand in the metadata. Its other entries come into
    the metadata of cells and notebook, and its kernel in the place of ours; what others wrote there stays. Outputs are
    those of the last run.

    Args:
        locks: whether `deletable` and `editable` come through; they mean nothing to Colab.
        widgets: whether a progress bar ran, whose state is stored without the key that Jupyter looks for.
    """
    written: dict[str, Any] = json.loads(json.dumps(copy.deepcopy(notebook)))
    written |= {"nbformat": 4, "nbformat_minor": 0}
    written["metadata"] = {
        "colab": {"provenance": [], "toc_visible": True, "gpuType": "T4"}, "accelerator": "GPU",
        "kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)"},
        "language_info": {"name": "python"},
    }  # fmt: skip
    if widgets:
        bar = {"model_module": "@jupyter-widgets/controls", "model_name": "HBoxModel", "state": {"children": []}}
        written["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {"0a1b": bar}}
    for number, cell in enumerate(written["cells"]):
        metadata = cell["metadata"]
        cell.pop("id", None)
        metadata["id"] = f"x{number:03}AbCdEfGh"
        cell["source"] = cell["source"].splitlines(keepends=True)
        if not locks:
            for name in ("deletable", "editable"):
                metadata.pop(name, None)
        if cell["cell_type"] == "code":
            metadata |= {"colab": {"base_uri": LINE, "height": 35}, "outputId": str(uuid.UUID(int=number))}
            cell["execution_count"] = 7 + number
            cell["outputs"] = [_output(number)] if number % 4 else []
    # Two spaces, non-ASCII letters as they are, keys in an order of its own, and no newline at the end.
    order = ("nbformat", "nbformat_minor", "metadata", "cells")
    return json.dumps({name: written[name] for name in order}, indent=2, ensure_ascii=False).encode()


def _output(number: int) -> dict[str, Any]:
    return [
        {"output_type": "stream", "name": "stdout", "text": ["Right\n", "√d\n"]},
        {"output_type": "execute_result", "data": {"text/plain": ["3"]}, "metadata": {}, "execution_count": number},
        {"output_type": "error", "ename": "NameError", "evalue": "x", "traceback": ["\u001b[0;31mNameError\u001b[0m"]},
        {"output_type": "display_data", "data": {"text/plain": ["<Figure>"], "image/png": "iVBORw0KGgo=\n"},
         "metadata": {"needs_background": "light"}},
    ][number % 4]  # fmt: skip
