"""Where Chromium is, and how it is started so that it asks no other host for anything."""

import os
import shutil
from pathlib import Path

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
ON_MACOS = ["/Applications/Chromium.app/Contents/MacOS/Chromium",
            "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"]  # fmt: skip
# Nothing but the page's own requests: the browser's housekeeping would ask its maker's hosts.
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic",
         "--no-first-run", "--disable-gpu"]  # fmt: skip
INSTALL = "Debian: apt-get install chromium chromium-driver    macOS: brew install --cask chromium"


def find() -> str | None:
    """The path of Chromium, or of what CHROMIUM= names; None if there is none."""
    named = os.environ.get("CHROMIUM")
    found = [named] if named else [shutil.which(name) for name in NAMES] + ON_MACOS
    return next((path for path in found if path and Path(path).exists()), None)


def started(path: str) -> dict:
    """What Playwright's `chromium.launch` is given."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # Chromium refuses its sandbox to root, as CI's containers are
    return {"executable_path": path, "chromium_sandbox": not root, "args": QUIET}
