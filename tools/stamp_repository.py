"""Write a fork's address wherever the repository names its own, so that Colab opens the fork and installs from it.

    python tools/stamp_repository.py https://github.com/ORG/NAME

The address in force is `repository.url` in `_config.yml`. Everywhere else it is a copy: in the notebooks' setup cells
and links, on pages, in CITATION.cff. All copies change, byte by byte and nothing else, and the students' notebooks are
made anew, since they are signed. Called with the old address again, it brings back what was there before.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import make_assignments
import yaml

ROOT = Path(__file__).resolve().parent.parent
GITHUB = "https://github.com/"
# Behind these stands ORG/NAME: GitHub itself, and what opens or shows repositories of it.
HOSTS = [
    "github.com",
    "raw.githubusercontent.com",
    "colab.research.google.com/github",
    "mybinder.org/v2/gh",
    "codespaces.new",
]
HIDDEN = {".binder", ".ci", ".devcontainer", ".github"}  # hidden folders that belong to the repository
LEFT_OUT = {"_build", "course", "node_modules", "venv"}  # made here or installed


class AddressError(ValueError):
    """An address that cannot be put in."""


def main(arguments: list[str]) -> int:
    try:
        if len(arguments) != 1:
            raise AddressError("name the address: make repository URL=" + GITHUB + "ORG/NAME")
        changed = stamp(ROOT, arguments[0])
    except AddressError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join([*changed, f"The repository's address is {address(ROOT)} ({len(changed)} files changed)"]))
    return make_assignments.main()


def stamp(root: Path, url: str) -> list[str]:
    """Put an address in the place of the one in force; the names of the files that changed.

    Raises:
        AddressError: it is not a repository on GitHub, or some file names it already and means another project.
    """
    old, new = name_of(address(root)), name_of(url)
    if old == new:
        return []
    pages = {path: path.read_bytes() for path in files_in(root)}
    taken = [path.relative_to(root).as_posix() for path, text in pages.items() if occurrences(new).search(text)]
    if taken:
        raise AddressError(
            f"{GITHUB}{new} stands already in {', '.join(taken)}. If another project is meant there, it cannot be this "
            "one's address too. If an earlier call was broken off, undo it (git checkout .) and call again."
        )
    changed = {path: occurrences(old).sub(new.encode(), text) for path, text in pages.items()}
    named = [path for path, text in changed.items() if text != pages[path]]
    # The address in force changes last: until then the old one is what is looked for.
    for path in sorted(named, key=(root / "_config.yml").__eq__):
        write(path, changed[path])
    return [path.relative_to(root).as_posix() for path in named]


def address(root: Path) -> str:
    """The address in force."""
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]


def name_of(url: str) -> str:
    """ORG/NAME of an address on GitHub, written as a browser shows it or as git clones it.

    Raises:
        AddressError: it is not one.
    """
    match = re.fullmatch(
        re.escape(GITHUB) + r"([a-z\d](?:-?[a-z\d]){0,38}/[\w.-]{1,100}?)(?:\.git)?/?", url, re.ASCII | re.I
    )
    if not match or match[1].split("/")[1] in (".", ".."):
        raise AddressError(
            f"an address on GitHub is needed, {GITHUB}ORG/NAME, from which Colab opens notebooks; got {url!r}"
        )
    return match[1]


def occurrences(name: str) -> re.Pattern[bytes]:
    """Where ORG/NAME is named, and not a longer name that begins with it."""
    after = "|".join(f"(?<={re.escape(host)}/)" for host in HOSTS)
    return re.compile(rf"(?:{after}){re.escape(name)}(?!-|\w|\.(?!git\b)\w)".encode())


def files_in(root: Path) -> Iterator[Path]:
    """All files that people wrote: without the students' notebooks, which are made from others."""
    for place, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in LEFT_OUT and (f[0] != "." or f in HIDDEN))
        if Path(place) == root / "notebooks":
            folders[:] = [f for f in folders if f != "exercises"]
        yield from (path for name in sorted(names) if not (path := Path(place, name)).is_symlink())


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_bytes(content)
    shutil.copymode(path, unfinished)
    unfinished.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
