"""Run notebooks in place and store their outputs, so that the same notebook gives the same bytes again."""

import argparse
import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

LIMIT = 90  # seconds that a chapter may take on 2 CPU cores
WIDGET = "application/vnd.jupyter.widget-view+json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="+", type=Path)
    failed = []
    os.environ["TQDM_DISABLE"] = "1"  # a stored progress bar tells a reader nothing
    for path in parser.parse_args().notebooks:
        notebook = nbformat.read(path, as_version=4)
        start = time.monotonic()
        try:
            # A kernel of its own, in the notebook's folder, as JupyterLab would start it.
            NotebookClient(
                notebook,
                timeout=600,
                resources={"metadata": {"path": path.parent}},
                record_timing=False,
                store_widget_state=False,
            ).execute()
        except CellExecutionError as error:
            failed.append(path)
            print(f"{path}: left as it was, since a cell failed:\n{error}", file=sys.stderr)
            continue
        seconds = time.monotonic() - start
        tidy(notebook)
        unfinished = path.with_name(path.name + ".unfinished")
        nbformat.write(notebook, unfinished)
        unfinished.replace(path)
        print(f"{path}: {seconds:.0f} s" + (f", over the limit of {LIMIT} s" if seconds > LIMIT else ""), flush=True)
    return 1 if failed else 0


def tidy(notebook: NotebookNode) -> None:
    """Drop what differs from run to run, or is of no use without the kernel that made it."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.metadata.pop("execution", None)
        cell.outputs = merge_streams(cell.outputs)
        for output in cell.outputs:
            # A widget needs the kernel's model of it; its HTML stands beside it for everyone else.
            output.get("data", {}).pop(WIDGET, None)


def merge_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join what one cell printed: how it arrived in pieces is chance."""
    merged: list[NotebookNode] = []
    for output in outputs:
        last = merged[-1] if merged else {}
        if output.output_type == "stream" == last.get("output_type") and output.name == last.get("name"):
            last["text"] += output.text
        else:
            merged.append(output)
    return merged


if __name__ == "__main__":
    sys.exit(main())
