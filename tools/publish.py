"""Put the built website into the folder that GitHub Pages serves, beside the versions that lie there already.

    python tools/publish.py VERSION FOLDER

VERSION is `dev`, which is the branch main, or that of a release, as 1.2.0. Each has a folder of its own, and a release
that lies there is never written again. The address without a version leads to the newest release, or to `dev` as long
as there is none.
"""

import html
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RELEASE = re.compile(r"(\d+)\.(\d+)\.(\d+)")


class PublishError(ValueError):
    """A version that cannot be published."""


def main(arguments: list[str]) -> int:
    try:
        if len(arguments) != 2:
            raise PublishError("name the version and the folder: make publish VERSION=dev TO=FOLDER")
        publish(ROOT / "_build/html", arguments[0], Path(arguments[1]))
    except PublishError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def publish(site: Path, version: str, folder: Path) -> None:
    """Copy a site into its version's folder and lead the way there.

    Raises:
        PublishError: the version is neither `dev` nor three numbers, or it is a release that lies there; or there is no
            site.
    """
    if version != "dev" and not RELEASE.fullmatch(version):
        raise PublishError(f"a version is dev or three numbers, as 1.2.0; got {version!r}")
    if not (site / "index.html").is_file():
        raise PublishError(f"there is no website in {site}: run make book")
    place = folder / version
    if version != "dev" and place.exists():
        raise PublishError(f"version {version} is published. What readers have cited stays: make a new version")
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(site, place)
    (folder / ".nojekyll").touch()  # else GitHub leaves out the folders that begin with an underscore
    if (site / "404.html").is_file():
        shutil.copy(site / "404.html", folder)  # GitHub shows the one at the top, whatever address was not found
    (folder / "index.html").write_text(signpost(versions(folder)), encoding="utf-8")


def versions(folder: Path) -> list[str]:
    """The versions that lie in a folder, the newest release first and `dev` last."""
    releases = [path.name for path in folder.iterdir() if RELEASE.fullmatch(path.name)]
    releases.sort(key=lambda name: [int(number) for number in name.split(".")], reverse=True)
    return releases + ["dev"] * (folder / "dev").is_dir()


def signpost(names: list[str]) -> str:
    """The page that leads to the first of some versions, and lists all.

    >>> print(signpost(["1.10.0", "dev"]).splitlines()[4])
    <meta http-equiv="refresh" content="0; url=1.10.0/">
    """
    links = "\n".join(f'<li><a href="{html.escape(name)}/">{html.escape(name)}</a></li>' for name in names)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="0; url={names[0]}/">
<link rel="canonical" href="{names[0]}/">
<title>Paying Attention</title>
<h1>Paying Attention</h1>
<p>The book lies at <a href="{names[0]}/">{names[0]}</a>. All versions:</p>
<ul>
{links}
</ul>
</html>
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
