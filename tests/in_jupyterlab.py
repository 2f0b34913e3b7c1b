"""JupyterLab as a learner meets it: a real server with settings of its own, and a notebook in a browser's page."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page

# Whose JupyterLab and kernel: those of this environment, or of another one (make old-jupyterlab).
PYTHON = os.environ.get("JUPYTERLAB_PYTHON", sys.executable)
PATIENCE = 60  # seconds for what takes two or three; a busy machine may need many times that
# The news would be fetched from another host, and a dialogue about them would lie over the notebook.
SILENT = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
# A page's `notebook` is the panel of the file that is open. Every cell's element carries its number.
OPEN = """async (path) => {
    await jupyterapp.restored;
    window.notebook = await jupyterapp.commands.execute("docmanager:open", { path, factory: "Notebook" });
    await notebook.context.ready;
    await notebook.revealed;
    await notebook.sessionContext.ready;
    notebook.content.widgets.forEach((cell, i) => { cell.node.dataset.number = i; });
}"""
SHOW = """(i) => {
    const cell = notebook.content.widgets[i];
    if (notebook.content.scrollToItem) return notebook.content.scrollToItem(i, "start"); // since JupyterLab 4
    cell.node.scrollIntoView();
}"""
RUN = """async (i) => {
    notebook.content.deselectAll();
    notebook.content.activeCellIndex = i;
    await jupyterapp.commands.execute("notebook:run-cell");
    return notebook.content.widgets[i].model.outputs.toJSON();
}"""
OUTPUTS = "notebook.content.widgets.map((cell) => cell.model.type === 'code' ? cell.model.outputs.toJSON() : [])"


@contextlib.contextmanager
def serve_jupyterlab(folder: Path) -> Iterator[tuple[str, str]]:
    """Run JupyterLab on a free port, over the folder's notebooks/; gives its address and its token.

    Nothing of this machine's user reaches it: settings, kernels, signatures and running servers lie in the folder.
    """
    places = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    (folder / "config/labconfig").mkdir(parents=True)
    (folder / "config/labconfig/page_config.json").write_text(json.dumps(SILENT), encoding="utf-8")
    environment = {**os.environ, **places, "IPYTHONDIR": str(folder / "ipython"), "JUPYTER_PREFER_ENV_PATH": "1",
                   "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"), "OMP_NUM_THREADS": "1",
                   "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces")}  # fmt: skip
    options = ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0",
               f"--ServerApp.root_dir={folder / 'notebooks'}", "--LabApp.expose_app_in_browser=True"]  # fmt: skip
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen([PYTHON, "-m", "jupyterlab", *options], env=environment, stdout=log, stderr=log)
    try:
        yield _address(folder, server)
    finally:
        server.terminate()  # it shuts its kernels down
        server.wait(PATIENCE)


def _address(folder: Path, server: subprocess.Popen) -> tuple[str, str]:
    """Where the server says that it listens, once it does."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and server.poll() is None:
        for path in (folder / "runtime").glob("jpserver-*.json"):
            with contextlib.suppress(json.JSONDecodeError):  # half written
                said = json.loads(path.read_text(encoding="utf-8"))
                return said["url"], said["token"]
        time.sleep(0.1)
    raise RuntimeError(f"JupyterLab does not start:\n{(folder / 'server.log').read_text(encoding='utf-8')}")


@dataclass
class Lab:
    """A page with JupyterLab, and what went wrong in it."""

    page: Page
    server: str
    complaints: list[str] = field(default_factory=list)

    def open(self, name: str) -> None:
        """Open a notebook of the server's folder."""
        self.page.evaluate(OPEN, name)

    def command(self, name: str, **arguments: object) -> None:
        """One of JupyterLab's commands, done when it is done."""
        self.page.evaluate("([name, args]) => jupyterapp.commands.execute(name, args).then(() => null)",
                           [name, arguments])  # fmt: skip

    def run_all(self) -> list[list[dict]]:
        """Run all cells and give the outputs of each."""
        self.page.wait_for_function("notebook.sessionContext.session?.kernel?.status === 'idle'")  # else nothing runs
        self.command("notebook:run-all-cells")
        return self.page.evaluate(OUTPUTS)

    def run(self, cell: int) -> str:
        """Run a cell and give what it printed."""
        outputs = self.page.evaluate(RUN, cell)
        assert [output["output_type"] for output in outputs] == ["stream"], outputs
        return "".join(outputs[0]["text"])

    def cell(self, number: int) -> Locator:
        """Bring a cell into view and give its element."""
        self.page.evaluate(SHOW, number)
        return self.page.locator(f"[data-number='{number}']")

    def settle(self, ask: Any, wanted: object) -> None:
        """Ask again and again until the answer is what is wanted."""
        until = time.monotonic() + PATIENCE
        while (answer := ask()) != wanted:
            assert time.monotonic() < until, f"got {answer!r}, wanted {wanted!r}"


@contextlib.contextmanager
def learner(browser: Browser, address: tuple[str, str]) -> Iterator[Lab]:
    """A learner's browser at the server. Its complaints: errors of console and page, failed and foreign requests."""
    server, token = address
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(1000 * PATIENCE)
    lab = Lab(context.new_page(), server)
    said = lab.complaints.append

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            said(message.text)

    lab.page.on("console", note)
    lab.page.on("pageerror", lambda error: said(str(error)))
    lab.page.on("request", lambda request: request.url.startswith((server, "data:", "blob:")) or said(request.url))
    lab.page.on("response", lambda response: response.status >= 400 and said(f"{response.url}: {response.status}"))
    lab.page.goto(f"{server}lab?token={token}&reset")
    lab.page.wait_for_function("window.jupyterapp")
    yield lab
    context.close()


def write_notebook(path: Path, cells: list[str]) -> None:
    """A notebook of code cells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
