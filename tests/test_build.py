"""The build of the website: whole or not at all, whatever it is killed at, and no work where nothing has changed."""

import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
TOOLS = ROOT / "tools"
# A book in which writing takes no time, for all that is not about Jupyter Book itself.
QUICK = f"""
import os, signal, sys
sys.path.insert(0, {str(TOOLS)!r})
import build_book, serve
from pathlib import Path

# A shell that starts the tests in its background hands down that Ctrl-C is to be ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

def write_site(root, site, doctrees):
    site.mkdir()
    (site / "index.html").write_text((root / "book/index.md").read_text())

build_book.ROOT, build_book.write_site = Path.cwd(), write_site
"""


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build_book = _load("build_book")


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A copy of all that the website is built from."""
    for name in build_book.INPUTS:
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns(*build_book.PASSING))
        else:
            shutil.copy(source, target)
    # What the pages' models need takes a quarter of a minute and a network; while it matches, it is not made again.
    if (ROOT / "_build/models").is_dir():
        shutil.copytree(ROOT / "_build/models", tmp_path / "_build/models")
    return tmp_path


@pytest.fixture
def quick_book(book: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def write_site(root: Path, site: Path, doctrees: Path) -> None:
        site.mkdir()
        (site / "index.html").write_text((root / "book/index.md").read_text())

    monkeypatch.setattr(build_book, "write_site", write_site)
    return book


def run_quickly(book: Path, code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", QUICK + code], cwd=book, capture_output=True, text=True, timeout=60)


def left_overs(book: Path) -> list[Path]:
    return list((book / "_build").glob("work-*"))


# --- Real builds -----------------------------------------------------------------------------------------------------


def test_a_killed_build_leaves_nothing_that_the_next_one_trusts(book: Path) -> None:
    """Killed with some pages written; the next build gives what a clean one gives, to the byte."""
    command = [sys.executable, book / "tools/build_book.py"]
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list((book / "_build").glob("work-*/html/**/*.html")):
        assert killed.poll() is None, "the build ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert left_overs(book)
    assert not (book / "_build/html").exists()

    again = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "The website is built" in again.stdout
    assert not left_overs(book)
    after_kill = build_book.tree_digest(book / "_build/html")
    assert (book / "_build/html/search.html").is_file()

    subprocess.run([sys.executable, TOOLS / "build_book.py"], timeout=300, check=True)
    assert build_book.tree_digest(ROOT / "_build/html") == after_kill

    start = time.monotonic()
    warm = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "up to date" in warm.stdout
    assert time.monotonic() - start < 5


def test_a_formula_that_is_not_understood_fails_the_build_and_the_old_site_stands(book: Path) -> None:
    site = book / "_build/html"
    site.mkdir(parents=True)
    (site / "index.html").write_text("the old site")
    (book / "_toc.yml").write_text("format: jb-book\nroot: book/notation\n")
    with open(book / "book/notation.md", "a") as page:
        page.write("\nA slip: $\\alhpa_{ij}$.\n")
    build = subprocess.run(
        [sys.executable, book / "tools/build_book.py"], capture_output=True, text=True, timeout=300, check=False
    )
    assert build.returncode == 1
    assert re.search(r"notation\.md:\d+: WARNING: formula not understood: \\alhpa_\{ij\}", build.stderr), build.stderr
    assert "not built" in build.stderr
    assert (site / "index.html").read_text() == "the old site"
    assert not left_overs(book)


# --- What makes a site stale -----------------------------------------------------------------------------------------


def test_nothing_changed_nothing_built(quick_book: Path) -> None:
    assert build_book.build(quick_book)
    assert not build_book.build(quick_book)


CHANGES = ["_config.yml", "_toc.yml", "book/_static/custom.css", "book/_ext/book_formulas.py", "book/new.md",
           "src/attnbook/explorers/mount.js", "tools/build_book.py"]  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_input_is_built(name: str, quick_book: Path) -> None:
    build_book.build(quick_book)
    with open(quick_book / name, "a") as file:
        file.write("\n")
    assert build_book.build(quick_book)
    assert not build_book.build(quick_book)


def test_another_version_of_a_package_is_built(quick_book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_book.build(quick_book)
    distributions = list(build_book.importlib.metadata.distributions())
    monkeypatch.setattr(build_book.importlib.metadata, "distributions", lambda: distributions[1:])
    assert build_book.build(quick_book)


@pytest.mark.parametrize("damage", [
    lambda site: (site / "index.html").write_text("edited"),
    lambda site: (site / "index.html").unlink(),
    lambda site: (site / "more.html").write_text("x"),
    lambda site: shutil.rmtree(site),
    lambda site: (site.parent / "html.stamp").write_text(""),
])  # fmt: skip
def test_a_damaged_site_is_built_again(damage, quick_book: Path) -> None:
    build_book.build(quick_book)
    whole = build_book.tree_digest(quick_book / "_build/html")
    damage(quick_book / "_build/html")
    assert build_book.build(quick_book)
    assert build_book.tree_digest(quick_book / "_build/html") == whole


def test_what_passes_does_not_count(quick_book: Path) -> None:
    build_book.build(quick_book)
    for name in build_book.PASSING:
        (quick_book / "book" / name).mkdir()
        (quick_book / "book" / name / "x").write_text("x")
    assert not build_book.build(quick_book)


# --- Interruptions and company ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", range(3))
def test_killed_between_any_two_steps_of_the_exchange(step: int, book: Path) -> None:
    """The old site is moved away, the new one moved in, the stamp written: killed before each of these."""
    assert run_quickly(book, "build_book.main()").returncode == 0
    (book / "book/index.md").write_text("# The new page")
    kill = f"""
moves = 0
def dying(move):
    def instead(*arguments):
        global moves
        if moves == {step}:
            os.kill(os.getpid(), signal.SIGKILL)
        moves += 1
        return move(*arguments)
    return instead
Path.rename, Path.replace = dying(Path.rename), dying(Path.replace)
build_book.main()
"""
    assert run_quickly(book, kill).returncode == -signal.SIGKILL
    again = run_quickly(book, "build_book.main()")
    assert "The website is built" in again.stdout
    assert (book / "_build/html/index.html").read_text() == "# The new page"
    assert not left_overs(book)
    assert "up to date" in run_quickly(book, "build_book.main()").stdout


def test_ctrl_c_leaves_the_old_site(book: Path) -> None:
    assert run_quickly(book, "build_book.main()").returncode == 0
    (book / "book/index.md").write_text("# The new page")
    interrupted = run_quickly(
        book, "build_book.write_site = lambda *_: os.kill(os.getpid(), signal.SIGINT)\nsys.exit(build_book.main())"
    )
    assert interrupted.returncode == 130
    assert "Traceback" not in interrupted.stderr
    assert (book / "_build/html/index.html").read_text() != "# The new page"
    assert not left_overs(book)


def test_two_builds_at_once_take_turns(book: Path) -> None:
    slow = """
import time
build_book.write_site = lambda *arguments: (time.sleep(1), write_site(*arguments))
build_book.main()
"""
    both = [subprocess.Popen([sys.executable, "-c", QUICK + slow], cwd=book, stdout=subprocess.PIPE, text=True)
            for _ in range(2)]  # fmt: skip
    said = sorted(process.communicate(timeout=60)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert "waiting" in said[0]
    assert "up to date" in said[0]
    assert "The website is built" in said[1]


# --- Serving ---------------------------------------------------------------------------------------------------------


def start_serving(book: Path, *arguments: str) -> subprocess.Popen:
    code = QUICK + f"sys.argv[1:] = {list(arguments)!r}\nsys.exit(serve.main())"
    return subprocess.Popen(
        [sys.executable, "-u", "-c", code], cwd=book, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def address_said(server: subprocess.Popen) -> str:
    for line in server.stdout:
        if found := re.search(r"http://127\.0\.0\.1:\d+/", line):
            return found[0]
    raise AssertionError(f"the server named no address:\n{server.stderr.read()}")


def stop(server: subprocess.Popen) -> None:
    server.send_signal(signal.SIGINT)
    _, complaints = server.communicate(timeout=10)
    assert server.returncode == 0
    assert complaints == ""


def test_serves_until_ctrl_c(book: Path) -> None:
    server = start_serving(book)
    address = address_said(server)
    with urllib.request.urlopen(address) as answer:
        assert answer.read() == (book / "book/index.md").read_bytes()
        stamp = answer.headers["Last-Modified"]
        assert answer.headers["Cache-Control"] == "no-cache"
    fresh = urllib.request.Request(address, headers={"If-Modified-Since": stamp})
    with pytest.raises(urllib.error.HTTPError) as unchanged:
        urllib.request.urlopen(fresh)
    assert unchanged.value.code == 304
    stop(server)


def test_takes_the_next_free_port(book: Path) -> None:
    first = start_serving(book)
    taken = int(address_said(first).rstrip("/").rsplit(":", 1)[1])
    second = start_serving(book)
    other = int(address_said(second).rstrip("/").rsplit(":", 1)[1])
    assert 8000 <= taken < other <= 8099
    stop(first)
    stop(second)


def test_a_port_asked_for_is_used_or_refused_by_name(book: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        holder.listen()
        refused = start_serving(book, "--port", str(port))
        _, complaints = refused.communicate(timeout=30)
        assert refused.returncode == 1
        assert f"Port {port} is taken" in complaints
        assert "Traceback" not in complaints
    server = start_serving(book, "--port", str(port))
    assert address_said(server) == f"http://127.0.0.1:{port}/"
    stop(server)


def test_a_book_that_does_not_build_is_not_served(book: Path) -> None:
    failing = """
def write_site(*_):
    raise RuntimeError("no book")
build_book.write_site = write_site
sys.exit(serve.main())
"""
    assert run_quickly(book, failing).returncode == 1
    assert set(os.listdir(book / "_build")) - {"models"} == {"lock"}
