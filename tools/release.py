"""Give all files that name the book's version a new one, or check that they name one and the same.

python tools/release.py 1.2.0            write it, with today's date
python tools/release.py --check [1.2.0]  check that pyproject.toml, CITATION.cff and CHANGELOG.md agree (on it)
"""

import datetime
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = re.compile(r"\d+\.\d+\.\d+")
# Where each file names the version, and what is written there.
PLACES = {
    "pyproject.toml": (r'^version = "(.+)"$', 'version = "{version}"'),
    "CITATION.cff": (r"^version: (.+)$", "version: {version}"),
    "CHANGELOG.md": (r"^## (\S+) \(.+\)$", "## {version} ({day})"),  # the newest stands first
}
DAY = (r"^date-released: .+$", "date-released: {day}")


class ReleaseError(ValueError):
    """A version that cannot be given, or files that name several."""


def main(arguments: list[str]) -> int:
    try:
        if arguments[:1] == ["--check"] and len(arguments) <= 2:
            print(f"All files name version {check(ROOT, *arguments[1:])}")
        elif len(arguments) == 1:
            release(ROOT, arguments[0], datetime.date.today())
            print(f"Commit this, then: git tag v{arguments[0]} && git push origin main v{arguments[0]}")
        else:
            raise ReleaseError("name the version: make release VERSION=1.2.0")
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def named(root: Path) -> dict[str, str]:
    """The version that each file names."""
    found = {name: re.search(where, (root / name).read_text(encoding="utf-8"), re.MULTILINE)
             for name, (where, _) in PLACES.items()}  # fmt: skip
    missing = [name for name, match in found.items() if not match]
    if missing:
        raise ReleaseError(f"no version is named in {', '.join(missing)}")
    return {name: match[1] for name, match in found.items() if match}


def check(root: Path, version: str | None = None) -> str:
    """The version that all files name; an error if they name several, or not the one that is given."""
    names = named(root)
    if len(set(names.values())) > 1 or version not in (None, *names.values()):
        wanted = f", and {version} was to be released" if version else ""
        raise ReleaseError(f"versions differ: {', '.join(f'{k} has {v}' for k, v in names.items())}{wanted}")
    return names["pyproject.toml"]


def release(root: Path, version: str, day: datetime.date) -> None:
    """Write a version and its day into all files.

    Raises:
        ReleaseError: it is not three numbers, it is lower than the one in force, or CHANGELOG.md does not begin with
            what is unreleased.
    """
    if not VERSION.fullmatch(version):
        raise ReleaseError(f"a version is three numbers, as 1.2.0; got {version!r}")
    old = named(root)["pyproject.toml"]
    if [int(n) for n in version.split(".")] < [int(n) for n in old.split(".")]:
        raise ReleaseError(f"version {version} is lower than {old}, which is in force")
    heading = re.search(PLACES["CHANGELOG.md"][0], (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    if not heading or not heading[0].endswith("(unreleased)"):
        raise ReleaseError("CHANGELOG.md begins with no section '(unreleased)': nothing new is told to readers")
    for name, (where, what) in [*PLACES.items(), ("CITATION.cff", DAY)]:
        text = (root / name).read_text(encoding="utf-8")
        text = re.sub(where, what.format(version=version, day=day), text, count=1, flags=re.MULTILINE)
        (root / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
