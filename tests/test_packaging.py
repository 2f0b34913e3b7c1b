"""The package, its ranges and the pinned environment: what a newcomer and Colab install."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = [Requirement(line) for line in (ROOT / "requirements.txt").read_text().splitlines() if re.match(r"\w", line)]
PINNED = {re.sub("[-_.]+", "-", pin.name).lower(): pin for pin in PINS}
COLAB = [Requirement(line) for line in (ROOT / "tests/colab_versions.txt").read_text().splitlines() if line[0] != "#"]
NEEDED = [Requirement(line) for line in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["beyond-text"]]]


def test_the_environment_is_exact():
    loose = [str(pin) for pin in PINS if [specifier.operator for specifier in pin.specifier] != ["=="]]
    assert not loose
    assert str(PINNED["torch"].specifier) == "==2.13.0"


@pytest.mark.parametrize("requirement", NEEDED, ids=lambda r: r.name)
def test_the_pins_satisfy_the_ranges(requirement):
    (pin,) = PINNED[requirement.name].specifier
    assert requirement.specifier.contains(pin.version)


def test_what_runs_these_tests_is_what_is_pinned():
    here = {name: metadata.version(name) for name in ("numpy", "matplotlib", "anywidget", "nbval", "jupyter-book")}
    assert all(PINNED[name].specifier.contains(version) for name, version in here.items()), here


def test_what_colab_has_satisfies_the_ranges():
    colab = {pin.name: next(iter(pin.specifier)).version for pin in COLAB}
    assert {r.name for r in NEEDED} - colab.keys() == {"num2words"}, "the setup cell installs these and no others"
    too_old = [str(r) for r in NEEDED if r.name in colab and not r.specifier.contains(colab[r.name])]
    assert not too_old


def test_pythons_3_11_to_3_13_are_supported():
    assert all(Version(v) in Requirement(f"x{PROJECT['requires-python']}").specifier for v in ("3.11", "3.12", "3.13"))


@pytest.mark.parametrize("pattern", ["**/*.py", "**/*.js", "**/*.css", "**/*.json", "**/*.safetensors", "py.typed"])
def test_an_installed_package_holds_every_file(pattern, wheel_names):
    source = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src/attnbook").glob(pattern)}
    assert source, f"no file matches {pattern}"
    assert source <= wheel_names


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory):
    """The files of the wheel that pip would build: what Colab gets, which has no checkout to fall back on."""
    source, wheels = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    # setuptools builds inside the folder that it is given, so it gets a copy.
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = wheels.glob("attnbook-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())
