"""Evidence: the experiments behind the book's claims about training, and the results of their many seeds.

A chapter trains one seed live. The other seeds stand in this folder, one results file an experiment, each with the
versions and the machine that made it. `make evidence` computes all of them again.
"""

import json
import os
import platform
from pathlib import Path
from typing import Any

import numpy
import torch

FOLDER = Path(__file__).parent


def load_results(name: str) -> dict[str, Any]:
    """The committed results of an experiment.

    >>> sorted(load_results("translation"))
    ['made_with', 'runs']
    """
    return json.loads((FOLDER / f"{name}.json").read_text())


def save_results(name: str, runs: list[dict[str, Any]]) -> None:
    """Write an experiment's results beside the versions and the machine that they come from."""
    results = {"made_with": made_with(), "runs": runs}
    (FOLDER / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")


def made_with() -> dict[str, Any]:
    """Versions and machine."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads(),
    }
