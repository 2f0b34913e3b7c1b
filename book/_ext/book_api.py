"""Write the reference of the library from its docstrings.

    ```{api} attnbook.scores attnbook.masks
    ```

puts a section for each of these modules on a page, with all that they make public, and `{api-list}` a list of the
names with their summaries. The code is read, not imported. The docstrings keep the house's plain form, in which a
formula may hold any sign, so they do not pass through a markup parser.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import griffe
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

PACKAGE = "attnbook"
# One recomputes the results of the book, one writes the models that its pages run; no chapter calls them.
LEFT_OUT = {f"{PACKAGE}.evidence", f"{PACKAGE}.onnx_models"}
FIELDS = re.compile(r"^(Args|Attributes|Returns|Raises(?: \(when called\))?|Cost|Source):", re.MULTILINE)
INLINE = re.compile(r"`([^`]+)`|\*(\w[^*\n]*)\*")
WIDEST_SIGNATURE = 68  # characters that fit on one line of the page

Documented = griffe.Function | griffe.Class
Library = dict[str, tuple[griffe.Module, dict[str, Documented]]]


# --- What is public --------------------------------------------------------------------------------------------------


def load_library(source: Path) -> Library:
    """The modules in a folder of sources, by path, each with its public functions and classes, also by path.

    A name that starts with an underscore is private, and so is all below it. What a package takes into its `__all__`
    stands there, and not a second time in the module that defines it.
    """
    package = griffe.load(PACKAGE, search_paths=[source], allow_inspection=False)
    found = {module.path: (module, names) for module, names in _modules(package, set()) if names}
    return dict(sorted(found.items()))  # folders list their files in any order


def _modules(module: griffe.Module, taken: set[str]) -> Iterator[tuple[griffe.Module, dict[str, Documented]]]:
    exported = module.exports or []
    public = {name: member for name, member in module.members.items() if not name.startswith("_")}
    own = {name: member for name, member in public.items() if not member.is_alias and member.path not in taken}
    defined = own | {name: member.final_target for name, member in public.items() if name in exported}
    names = {name: member for name, member in defined.items() if member.is_function or member.is_class}
    yield module, {f"{module.path}.{name}": member for name, member in names.items()}
    for member in own.values():
        if member.is_module and member.path not in LEFT_OUT:
            yield from _modules(member, taken | {member.path for member in names.values()})


def methods(documented: Documented) -> dict[str, griffe.Function]:
    """The public methods of a class that have something to say; those without a docstring say it in its parent."""
    return {
        name: member
        for name, member in (documented.members.items() if documented.is_class else [])
        if member.is_function and member.docstring and not name.startswith("_")
    }


# --- What a docstring says -------------------------------------------------------------------------------------------


def text_and_example(documented: griffe.Object) -> tuple[str, str]:
    docstring = documented.docstring.value if documented.docstring else ""
    text, *example = re.split(r"^(?=>>> )", docstring, maxsplit=1, flags=re.MULTILINE)
    return text, "".join(example)


def runnable(path: str, example: str) -> str:
    """An example that runs as it stands: it begins with the import of what it shows."""
    module, name = path.rsplit(".", 1)
    return f">>> from {module} import {name}\n{example}"


def signature(documented: Documented) -> str:
    line = documented.signature()
    if len(line) > WIDEST_SIGNATURE:  # one parameter a line: a comma outside of all brackets and quotes parts them
        inside, returned = re.fullmatch(r"\w+\((.*)\)( -> .*)?", line).groups()
        parts, depth = [""], 0
        for piece in re.findall(r"'[^']*'|[(\[]|[)\]]|, |.", inside):
            depth += (piece in "([") - (piece in ")]")
            parts = [*parts, ""] if piece == ", " and not depth else [*parts[:-1], parts[-1] + piece]
        line = f"{documented.name}(\n    " + ",\n    ".join(parts) + f",\n){returned or ''}"
    return f"class {line}" if documented.is_class else line


# --- What a reader sees ----------------------------------------------------------------------------------------------


class Api(SphinxDirective):
    required_arguments, final_argument_whitespace = 1, True

    def run(self) -> list[nodes.Node]:
        self.library = load_library(Path(self.env.srcdir, "src"))
        paths = [path for name in self.arguments[0].split() for path in self.within(name)]
        return [self.module(path, *self.library[path]) for path in paths]

    def within(self, name: str) -> list[str]:
        """The module of that name, and those below it."""
        found = [path for path in self.library if f"{path}.".startswith(f"{name}.")]
        if not found:
            raise self.error(f"there is no public name in {name}")
        return found

    def module(self, path: str, module: griffe.Module, names: dict[str, Documented]) -> nodes.Node:
        self.env.get_domain("py").note_module(path, path, "", "", False)
        section = self.section(path, path, "module")
        section += self.text(text_and_example(module)[0])
        section += [self.entry(name, documented) for name, documented in names.items()]
        return section

    def section(self, path: str, title: str, kind: str) -> nodes.section:
        """A section with the full name as its anchor, which the search knows too."""
        self.env.get_domain("py").note_object(path, kind, path, location=self.get_location())
        return nodes.section("", nodes.title("", "", nodes.literal("", title)), ids=[path], classes=["api"])

    def source(self, documented: griffe.Object) -> nodes.Node:
        theme = self.config.html_theme_options
        file = documented.filepath.relative_to(self.env.srcdir).as_posix()
        address = f"{theme['repository_url']}/blob/{theme['repository_branch']}/{file}#L{documented.lineno}"
        return nodes.paragraph("", "", nodes.reference("", "Read the code", refuri=address), classes=["api-source"])

    def entry(self, path: str, documented: Documented) -> nodes.section:
        in_class = documented.parent is not None and documented.parent.is_class
        kind = "method" if in_class else documented.kind.value
        section = self.section(path, documented.name, kind)
        text, example = text_and_example(documented)
        section += nodes.literal_block("", signature(documented), language="python", classes=["api-signature"])
        section += self.text(text)
        if example:
            section += nodes.literal_block("", runnable(path, example), language="pycon")
        section += self.source(documented)
        section += [self.entry(f"{path}.{name}", method) for name, method in methods(documented).items()]
        return section

    def text(self, text: str) -> list[nodes.Node]:
        """The blocks of a docstring, and its fields as a list of terms."""
        opening, *rest = FIELDS.split(text)
        fields = nodes.definition_list(classes=["api-fields"])
        for name, content in zip(rest[::2], rest[1::2], strict=True):
            listed = name.startswith(("A", "Raises"))
            fields += self.item([nodes.Text(name)], self.items(content) if listed else self.paragraph(content))
        return [self.block(block) for block in re.split(r"\n\s*\n", opening) if block.strip()] + [fields][: len(rest)]

    def block(self, block: str) -> nodes.Node:
        if block.startswith("|"):
            return self.table(block)
        if block.startswith("    "):
            return nodes.literal_block("", dedent(block).rstrip(), language="none", classes=["api-formula"])
        return self.paragraph(block)

    def items(self, content: str) -> nodes.definition_list:
        listed = nodes.definition_list()
        for item in re.split(r"^(?=\S)", dedent(content.strip("\n")), flags=re.MULTILINE)[1:]:
            names, _, meaning = item.partition(": ")
            listed += self.item(self.inline(re.sub(r"\w+", r"`\g<0>`", names), link=False), self.paragraph(meaning))
        return listed

    @staticmethod
    def item(term: list[nodes.Node], definition: nodes.Node) -> nodes.definition_list_item:
        return nodes.definition_list_item("", nodes.term("", "", *term), nodes.definition("", definition))

    def table(self, block: str) -> nodes.table:
        head, _, *body = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in block.splitlines()]
        rows = [nodes.row("", *(nodes.entry("", self.paragraph(cell)) for cell in row)) for row in [head, *body]]
        group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in head), cols=len(head))
        group += [nodes.thead("", rows[0]), nodes.tbody("", *rows[1:])]
        return nodes.table("", group)

    def paragraph(self, text: str) -> nodes.paragraph:
        return nodes.paragraph("", "", *self.inline(" ".join(text.split())))

    def inline(self, text: str, *, link: bool = True) -> list[nodes.Node]:
        """Text with `code`, which links to what it names if that is one of ours, and *words* that are stressed."""
        found, end = [], 0
        for match in INLINE.finditer(text):
            found += [nodes.Text(text[end : match.start()])]
            found += [self.code(match[1], link=link) if match[1] else nodes.emphasis("", match[2])]
            end = match.end()
        return [*found, nodes.Text(text[end:])]

    def code(self, name: str, *, link: bool) -> nodes.Node:
        paths = [path for _, names in self.library.values() for path in names if f".{path}".endswith(f".{name}")]
        return reference(paths[0], name) if link and len(paths) == 1 else nodes.literal("", name)


def reference(path: str, shown: str) -> addnodes.pending_xref:
    target = {"refdomain": "py", "reftype": "obj", "reftarget": path, "refwarn": True}
    return addnodes.pending_xref("", nodes.literal("", shown), **target)


class ApiList(Api):
    def module(self, path: str, module: griffe.Module, names: dict[str, Documented]) -> nodes.Node:
        listed = nodes.definition_list(classes=["api-list"])
        for full_name, documented in names.items():
            summary = text_and_example(documented)[0].split("\n\n")[0]
            listed += self.item([reference(full_name, documented.name)], self.paragraph(summary))
        heading = self.paragraph(text_and_example(module)[0].split("\n\n")[0])
        heading[:0] = [reference(path, path), nodes.Text(": ")]
        return nodes.container("", heading, listed)


def name_anchors(app: Sphinx, doctree: nodes.document) -> None:
    """Let a chapter link to `book/api/parts.md#attnbook.scores.dot`, as to any heading of a page."""
    anchors = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
    for section in doctree.findall(nodes.section):
        if "api" in section["classes"]:
            anchors[section["ids"][0]] = (0, section["ids"][0], section[0].astext())


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("api", Api)
    app.add_directive("api-list", ApiList)
    app.connect("doctree-read", name_anchors)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
