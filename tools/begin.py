"""Begin a chapter, an explorer or a chapter's assignment from a template that already passes the tests of its form.

    python tools/begin.py chapter 16_topic "Its title"
    python tools/begin.py explorer its_idea
    python tools/begin.py exercise 16_topic

Nothing that exists is written over. What an author has to write is marked in the new files by TO WRITE, and a test
lists it until it is written.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

from make_assignments import student_text

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = re.compile(r"(\d\d)_([a-z][a-z0-9_]*[a-z0-9])")
EXPLORER = re.compile(r"[a-z][a-z0-9_]*[a-z0-9]")
NEXT = {
    "chapter": "Then: make lab to write it, make notebooks to run it, make new-exercise for its tasks.",
    "explorer": "Then: .venv/bin/python -m pytest {test}, and show it in a chapter: {name}().",
    "exercise": "Then: make assignments after each change, and make scoreboard.",
}


class BeginError(ValueError):
    """A name that a new part of the book cannot have."""


def main(arguments: list[str], root: Path = ROOT) -> int:
    kind, name, title = [*arguments, "", "", ""][:3]
    try:
        files = plan(root, kind, name, title)
    except BeginError as error:
        print(error, file=sys.stderr)
        return 1
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(root))
    if kind == "exercise":
        source = root / f"notebooks/solutions/{name}/{name}.ipynb"
        student = root / f"notebooks/exercises/{name}/{name}.ipynb"
        student.parent.mkdir(parents=True)
        student.write_text(student_text(source), encoding="utf-8")
        print(student.relative_to(root))
    sort_names([path for path in files if path.name == "__init__.py"])
    print(NEXT[kind].format(test=f"tests/test_{name}_explorer.py", name=class_name(name)))
    return 0


def plan(root: Path, kind: str, name: str, title: str = "") -> dict[Path, str]:
    """The files to write, each with its text.

    Raises:
        BeginError: there is nothing of that kind, or the name is no name for it, or it is taken.
    """
    plans = {"chapter": chapter, "explorer": explorer, "exercise": exercise}
    if kind not in plans:
        raise BeginError(f"say what to begin: chapter, explorer or exercise; got {kind!r}")
    if kind != "explorer" and not CHAPTER.fullmatch(name):
        raise BeginError(f"a chapter's name is two digits, _ and a topic in small letters, as 16_topic; got {name!r}")
    files = plans[kind](root, name, title)
    taken = [path for path in files if path.exists() and path.name not in ("__init__.py", "_toc.yml", "README.md")]
    if taken:
        raise BeginError(f"{taken[0].relative_to(root)} exists already: choose another name")
    return files


def chapter(root: Path, name: str, title: str) -> dict[Path, str]:
    number, topic = CHAPTER.fullmatch(name).groups()
    others = {path.stem[:2]: path.stem for path in sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))}
    free = f"{max(map(int, others)) + 1:02}"
    if number in others:
        raise BeginError(f"chapter {number} is {others[number]}: the next free number is {free}")
    if topic in (other[3:] for other in others.values()):
        raise BeginError(f"there is a chapter about {topic} already: choose another topic")
    title = title or topic.replace("_", " ").capitalize()
    row = f"| [{int(number)}. {title}](notebooks/{name}.ipynb) | TO WRITE: the question of the chapter |"
    return {
        root / f"notebooks/{name}.ipynb": filled(root, "chapter/NN_topic.ipynb", name, title),
        root / "_toc.yml": listed(root / "_toc.yml", name, f"      - file: notebooks/{name}"),
        root / "README.md": listed(root / "README.md", name, row),
    }


def explorer(root: Path, name: str, _: str) -> dict[Path, str]:
    if not EXPLORER.fullmatch(name) or name.endswith("_explorer"):
        raise BeginError(f"an explorer's name is its idea in small letters, without _explorer at its end; got {name!r}")
    folder = root / "src/attnbook/explorers"
    texts = {
        folder / f"{name}_explorer.{kind}": idea(read(root, f"explorer/idea_explorer.{kind}"), name)
        for kind in ("py", "js", "css")
    }
    test = {root / f"tests/test_{name}_explorer.py": idea(read(root, "explorer/test_idea_explorer.py"), name)}
    known = registered(folder / "__init__.py", f"attnbook.explorers.{name}_explorer", [class_name(name)])
    return texts | test | {folder / "__init__.py": known}


def exercise(root: Path, name: str, _: str) -> dict[Path, str]:
    page = root / f"notebooks/{name}.ipynb"
    if not page.exists():
        raise BeginError(f"there is no chapter {name}: begin it first, by make new-chapter NAME={name}")
    heading = json.loads(page.read_text(encoding="utf-8"))["cells"][0]["source"]
    title = re.match(r"# \d+\. (.+)", "".join(heading))[1]
    folder, topic = root / "src/attnbook/exercises", name[3:]
    checks = [f"check_{topic}_{task}" for task in ("average", "by_hand", "repaired")]
    return {
        root / f"notebooks/solutions/{name}/{name}.ipynb": filled(root, "exercise/NN_topic.ipynb", name, title),
        root / f"tests/wrong_answers/ch{name}.py": filled(root, "exercise/chNN_topic.py", name, title),
        folder / f"{topic}.py": filled(root, "exercise/topic.py", name, title),
        folder / "__init__.py": registered(folder / "__init__.py", f"attnbook.exercises.{topic}", checks),
    }


def read(root: Path, template: str) -> str:
    return (root / "tools/templates" / template).read_text(encoding="utf-8")


def filled(root: Path, template: str, name: str, title: str) -> str:
    """A template of a chapter with its number, title and topic."""
    text = read(root, template).replace("NUMBER", str(int(name[:2]))).replace("TITLE", json.dumps(title)[1:-1])
    text = text.replace("NN_topic", name).replace("test-topic", f"test-{name[3:].replace('_', '-')}")
    return text.replace("TOPIC_", f"{name[3:].upper()}_").replace("topic_", f"{name[3:]}_")


def idea(text: str, name: str) -> str:
    """The explorer's template with another name, in its three spellings: `my_idea`, `MyIdeaExplorer`, `my-idea`."""
    text = text.replace("idea_explorer", f"{name}_explorer").replace("IdeaExplorer", class_name(name))
    text = text.replace('class: "idea"', f'class: "{name.replace("_", "-")}"')
    text = re.sub(r"^\.idea\b", f".{name.replace('_', '-')}", text, flags=re.MULTILINE)
    return (
        text.replace('"idea"', f'"{name}"')
        .replace("/idea.html", f"/{name}.html")
        .replace("The idea explorer", f"The {name.replace('_', ' ')} explorer")
    )


def class_name(name: str) -> str:
    """The class of an explorer.

    >>> class_name("fading_memory")
    'FadingMemoryExplorer'
    """
    return "".join(part.capitalize() for part in name.split("_")) + "Explorer"


def listed(path: Path, name: str, line: str) -> str:
    """A file's text with one line more for a chapter, behind the chapter that comes before it."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    chapters = [(match[1], i) for i, old in enumerate(lines, 1) if (match := re.search(r"notebooks/(\d\d_\w+)", old))]
    if not any(other < name for other, _ in chapters):
        raise BeginError(f"{path.name} lists no chapter before {name}, behind which it belongs")
    _, place = max(row for row in chapters if row[0] < name)
    return "".join([*lines[:place], line + "\n", *lines[place:]])


def registered(path: Path, module: str, names: list[str]) -> str:
    """A package's `__init__.py` with the names of one module more; `sort_names` puts them where they belong."""
    text = path.read_text(encoding="utf-8")
    text = text.replace("\n\n__all__ = [\n", f"\nfrom {module} import {', '.join(names)}\n\n__all__ = [\n", 1)
    return text.replace("__all__ = [\n", "__all__ = [\n" + "".join(f'    "{name}",\n' for name in names), 1)


def sort_names(paths: list[Path]) -> None:
    """Sort imports and `__all__`, as make lint wants them."""
    for path in paths:
        ruff = [sys.executable, "-m", "ruff"]
        subprocess.run([*ruff, "check", "--quiet", "--fix", "--select", "I,RUF022", path], check=True)
        subprocess.run([*ruff, "format", "--quiet", path], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
