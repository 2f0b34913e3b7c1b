"""Print which versions pip must take, for one column of the matrix in which the notebooks are tried.

python tools/constraints.py pinned|colab|newest

pinned: those of requirements.txt.
colab: those that Colab has (tests/colab_versions.txt), with the torch of requirements.txt, whose results the
    chapters hold.
newest: whatever the ranges in pyproject.toml allow.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in CONSTRAINTS:
        print(f"name the versions: one of {', '.join(CONSTRAINTS)}, got {' '.join(arguments)!r}", file=sys.stderr)
        return 1
    print("\n".join(CONSTRAINTS[arguments[0]]()))
    return 0


def pins(name: str) -> list[str]:
    """The pins of a file, without its comments."""
    return [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if re.match(r"\w", line)]


def pinned() -> list[str]:
    return pins("requirements.txt")


def colab() -> list[str]:
    torch = [pin for pin in pinned() if pin.startswith("torch==")]
    return [pin for pin in pins("tests/colab_versions.txt") if not pin.startswith("torch==")] + torch


def newest() -> list[str]:
    return []


CONSTRAINTS = {"pinned": pinned, "colab": colab, "newest": newest}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
