"""The repository's address: one place says it, all others repeat it, and one command changes them all."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import make_assignments  # noqa: E402 (the folder holds scripts, not packages)
import stamp_repository  # noqa: E402
from stamp_repository import AddressError, address, files_in, name_of, occurrences, stamp  # noqa: E402

URL = address(ROOT)
HOST = "https://" + "github.com"
FORK = f"{HOST}/Uni-42/attention.course"
# Other projects that the book names.
OTHERS = {"containers/bubblewrap", "espeak-ng/espeak-ng", "huggingface/safetensors"}
SETUP = re.compile(r'repository = "(.+?)"')


def cells(path):
    return ["".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]


# --- One address -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", sorted((ROOT / "notebooks").rglob("[0-9]*.ipynb")), ids=lambda p: f"{p.parent.name}-{p.stem}"
)
def test_each_notebook_installs_the_library_from_the_address_in_force(path):
    assert [found for cell in cells(path) for found in SETUP.findall(cell)] == [URL]


def test_citation_and_website_name_the_address_in_force():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["repository-code"] == URL
    assert f'<a href="{URL}">' in yaml.safe_load((ROOT / "_config.yml").read_text())["html"]["extra_footer"]
    assert f"git clone {URL} " in (ROOT / "book/index.md").read_text()


def test_no_folder_of_the_repository_is_left_out():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    tracked = {ROOT / name for name in listed.split("\0") if name}
    assert not {
        p for p in tracked - set(files_in(ROOT)) if p.exists() and ROOT / "notebooks/exercises" not in p.parents
    }


def test_no_file_names_another_address():
    # Capitals stand for an address that a reader puts in: ORG/NAME.
    hosts = "|".join(map(re.escape, stamp_repository.HOSTS)).encode()
    named = re.compile(rb"(?:" + hosts + rb")/([\w.-]+/(?:(?!\.git\b)[\w-]|\.(?!git\b)(?=\w))+)")
    strange = {}
    for path in [*files_in(ROOT), *(ROOT / "notebooks/exercises").rglob("*.ipynb")]:
        if path != Path(__file__) and path.name != "package-lock.json":  # npm names other projects there
            for name in {name.decode() for name in named.findall(path.read_bytes())} - OTHERS - {name_of(URL)}:
                if not re.fullmatch("[A-Z-]+/[A-Z-]+", name):
                    strange.setdefault(name, []).append(path.relative_to(ROOT).as_posix())
    assert not strange, "is it this book's address (make repository) or another project's (OTHERS)?"


# --- Changing it -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fork(tmp_path_factory):
    """A copy of all that the command looks at."""
    copy = tmp_path_factory.mktemp("fork")
    files = [*files_in(ROOT), *(ROOT / "notebooks/exercises").rglob("*.ipynb")]
    for path in files:
        if not re.search(r"__pycache__|\.safetensors$|^(src|tests)/", path.relative_to(ROOT).as_posix()):
            target = copy / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    make(copy, URL)  # students' notebooks that are not up to date are another test's matter
    return copy


def make(copy, url):
    command = [sys.executable, copy / "tools/stamp_repository.py", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def contents(copy):
    return {path: path.read_bytes() for path in copy.rglob("*") if path.is_file() and "__pycache__" not in path.parts}


def test_a_fork_is_stamped_everywhere_and_back_again(fork):
    before = contents(fork)
    done = make(fork, FORK + ".git/")
    assert done.returncode == 0, done.stderr
    assert f"The repository's address is {FORK}" in done.stdout
    after = contents(fork)
    old = occurrences(name_of(URL))
    assert not [path for path, text in after.items() if old.search(text)]
    changed = {path for path in after if after[path] != before[path]}
    assert changed == {path for path, text in before.items() if old.search(text)}
    notebooks = sorted((fork / "notebooks").rglob("[0-9]*.ipynb"))
    assert set(notebooks) <= changed
    for path in notebooks:
        assert [found for cell in cells(path) for found in SETUP.findall(cell)] == [FORK]
    for source in sorted((fork / "notebooks/solutions").glob("*/*.ipynb")):  # with the checksums of what they now hold
        student = fork / "notebooks/exercises" / source.parent.name / source.name
        assert student.read_text(encoding="utf-8") == make_assignments.student_text(source)
    assert "(0 files changed)" in make(fork, FORK).stdout
    assert contents(fork) == after
    assert make(fork, URL).returncode == 0
    assert contents(fork) == before


BAD = ["", "github.com/a/b", f"{HOST}/a", f"{HOST}/a/b/tree/main", f"{HOST}/-a/b", f"{HOST}/a/..", f"{HOST}/a/b c",
       "git@github.com:a/b.git", "https://gitlab.com/a/b", HOST.replace("s:", ":") + "/a/b", f"{HOST}/a/b\n",
       f'{HOST}/a/b"; x']  # fmt: skip


def test_a_bad_address_is_refused_and_changes_nothing(fork):
    before = contents(fork)
    for url in BAD:
        with pytest.raises(AddressError, match=f"an address on GitHub is needed, {HOST}/ORG/NAME") as refused:
            stamp(fork, url)
        assert repr(url) in str(refused.value)
    done = make(fork, BAD[0])
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert contents(fork) == before


def test_another_projects_address_is_refused_since_it_could_not_be_undone(tmp_path):
    (tmp_path / "notebooks/exercises").mkdir(parents=True)
    (tmp_path / "_config.yml").write_text(f"repository:\n  url: {HOST}/a/b\n")
    (tmp_path / "page.md").write_text(f"{HOST}/a/b and {HOST}/a/b-c and {HOST}/c/d.")
    with pytest.raises(AddressError, match=r"c/d stands already in page\.md"):
        stamp(tmp_path, f"{HOST}/c/d")
    assert address(tmp_path) == f"{HOST}/a/b"


def test_only_the_whole_address_is_replaced(tmp_path):
    (tmp_path / "notebooks/exercises").mkdir(parents=True)
    (tmp_path / "_build").mkdir()
    text = "repository:\n  url: {0}/{1}\n"
    text += "# {0}/{1}. {0}/{1}/blob/x {0}/{1}.git {2}/{1}/y {0}/a/bc {0}/a/b-c {0}/a/b.c a/b\n"
    colab = "https://colab.research.google.com/github"
    (tmp_path / ".binder").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".binder/badge").write_text("mybinder.org/v2/gh/a/b/main")
    (tmp_path / ".git/config").write_text(f"{HOST}/a/b")
    (tmp_path / "_config.yml").write_text(text.format(HOST, "a/b", colab))
    (tmp_path / "_build/page.html").write_text(f"{HOST}/a/b")
    (tmp_path / "bytes").write_bytes(b"\xff\r\n" + f"{HOST}/a/b".encode())
    (tmp_path / "run").write_text(f"{HOST}/a/b")
    (tmp_path / "run").chmod(0o755)
    assert sorted(stamp(tmp_path, f"{HOST}/x-y/Z")) == [".binder/badge", "_config.yml", "bytes", "run"]
    assert (tmp_path / "_config.yml").read_text() == text.format(HOST, "x-y/Z", colab)
    assert (tmp_path / ".binder/badge").read_text() == "mybinder.org/v2/gh/x-y/Z/main"
    assert (tmp_path / ".git/config").read_text() == f"{HOST}/a/b"
    assert (tmp_path / "_build/page.html").read_text() == f"{HOST}/a/b"
    assert (tmp_path / "bytes").read_bytes() == b"\xff\r\n" + f"{HOST}/x-y/Z".encode()
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o755


def test_a_call_that_is_broken_off_leaves_the_old_address_in_force(tmp_path, monkeypatch):
    (tmp_path / "notebooks/exercises").mkdir(parents=True)
    for name in ("_config.yml", "a.md", "z.md"):
        (tmp_path / name).write_text(f"repository: {{url: {HOST}/a/b}}\n")
    write, written = stamp_repository.write, []

    def breaks(path, content):
        if written:
            raise KeyboardInterrupt
        written.append(path)
        write(path, content)

    monkeypatch.setattr(stamp_repository, "write", breaks)
    with pytest.raises(KeyboardInterrupt):
        stamp(tmp_path, f"{HOST}/c/d")
    assert address(tmp_path) == f"{HOST}/a/b"
    monkeypatch.undo()
    with pytest.raises(AddressError, match=r"broken off, undo it \(git checkout \.\)"):
        stamp(tmp_path, f"{HOST}/c/d")
