"""Build the website in _build/html, whole or not at all.

    python tools/build_book.py

The book is built in a working folder of its own and takes the place of the old site only when it is complete. Beside it
lies a stamp of what it was built from and of every file in it: a site that still matches its stamp is not built again,
and one that does not (an interrupted build, an edited page, another version of a package) always is.
"""

import contextlib
import fcntl
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INPUTS = ["_config.yml", "_toc.yml", "book", "notebooks", "src/attnbook", "tests/wrong_answers/scoreboard.json",
          "tools/build_book.py", "tools/make_models.py"]  # fmt: skip
PASSING = {"__pycache__", ".ipynb_checkpoints"}  # come and go without changing the book


def build(root: Path) -> bool:
    """Build the website unless it stands already; True if it had to be built.

    Raises:
        RuntimeError: the book has errors or warnings (they have been printed); the site that stood before still stands.
    """
    builds = root / "_build"
    site, stamp = builds / "html", builds / "html.stamp"
    with sole_builder(builds):
        inputs = inputs_digest(root)
        if site.is_dir() and stamp.is_file() and stamp.read_text() == f"{inputs}\n{tree_digest(site)}\n":
            return False
        for left_over in builds.glob("work-*"):  # of a build that was killed: none other can be running now
            shutil.rmtree(left_over)
        work = Path(tempfile.mkdtemp(prefix="work-", dir=builds))
        try:
            write_site(root, work / "html", work / "doctrees")
            whole = f"{inputs}\n{tree_digest(work / 'html')}\n"
            (work / "stamp").write_text("incomplete\n" if (work / "incomplete").exists() else whole)
            if site.exists():
                site.rename(work / "replaced")
            (work / "html").rename(site)
            (work / "stamp").replace(stamp)
        finally:
            shutil.rmtree(work)
    return True


@contextlib.contextmanager
def sole_builder(builds: Path) -> Iterator[None]:
    """Wait until no other build runs. The system lets go of the lock whatever becomes of its holder."""
    builds.mkdir(exist_ok=True)
    with open(builds / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another build is running; waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_site(root: Path, site: Path, doctrees: Path) -> None:
    models = subprocess.run([sys.executable, root / "tools/make_models.py"], stdout=subprocess.DEVNULL, check=False)
    if models.returncode:  # it has told why
        print("The website is built without the models in its pages. The next build tries again.", file=sys.stderr)
        (site.parent / "incomplete").touch()
    from jupyter_book.sphinx import build_sphinx  # takes seconds, which a call that builds nothing need not wait for

    outcome = build_sphinx(
        str(root),
        str(site),
        noconfig=True,
        path_config=str(root / "_config.yml"),
        confoverrides={"external_toc_path": str(root / "_toc.yml"), "latex_individualpages": False, "nitpicky": True},
        doctreedir=str(doctrees),
        freshenv=True,
        warningiserror=True,
        keep_going=True,
        quiet=True,
    )
    if isinstance(outcome, KeyboardInterrupt):
        raise outcome
    if outcome != 0:  # an exit code or an exception
        raise RuntimeError("The website was not built: the book has the errors or warnings printed above.")


def inputs_digest(root: Path) -> str:
    """A digest of everything that shapes the site: the book's files, Python and all installed packages."""
    digest = hashlib.sha256(sys.version.encode())
    for package in sorted({f"{found.name}=={found.version}" for found in importlib.metadata.distributions()}):
        digest.update(package.encode() + b"\n")
    for name in INPUTS:
        digest.update(f"{name} {tree_digest(root / name)}\n".encode())
    return digest.hexdigest()


def tree_digest(top: Path) -> str:
    """A digest of a file, or of the names and contents of all files in a folder."""
    digest = hashlib.sha256()
    for path in [top] if top.is_file() else files_in(top):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(top).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


def files_in(folder: Path) -> Iterator[Path]:
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - PASSING)
        yield from (Path(path, name) for name in sorted(names))


def main() -> int:
    start = time.perf_counter()
    try:
        built = build(ROOT)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; the site is as it was.", file=sys.stderr)
        return 130
    print(f"The website is {'built' if built else 'up to date'}: _build/html ({time.perf_counter() - start:.1f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
