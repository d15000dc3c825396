"""
How the project stands, as complaints: unit tests mirror the modules, files and folders are small, functions are simple.

Each function looks at a working copy below ``root`` and answers with one sentence for each thing that is not as it
should be. `tests/purity.py` has the same for modules that say that they are pure.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from radon.complexity import SCORE, cc_visit_ast

PRODUCT = ("reberth", "controller", "drivers", "watchers")
CODE = (*PRODUCT, "deploy")
MOST_LINES = 300
MOST_FILES = 13
MOST_BRANCHES = 10
WIDEST = 140
LONG = {"controller/model.py"}  # the dictionary of all words
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")  # where a statement has others in it


@dataclass(frozen=True, slots=True)
class Module:
    """
    What is asked of a module. ``imports``: dotted names, ``a.b.c`` for ``from a.b import c``; ``complex``: line, name
    and complexity of its functions that have too many branches.
    """

    doc: str
    imports: tuple[str, ...]
    complex: tuple[tuple[int, str, int], ...]


def module(path: Path, *, measured: bool = True) -> Module:
    """Not ``measured``: nothing is said about its functions."""
    return _module(path.read_bytes(), measured)


@cache
def _module(source: bytes, measured: bool) -> Module:
    """Each source is parsed once: that costs seconds for all, and four looks ask for it."""
    tree = ast.parse(source)
    found = sorted(cc_visit_ast(tree), key=SCORE) if measured else []
    blocks = (each for each in found if each.complexity > MOST_BRANCHES)
    busy = tuple((each.lineno, each.fullname, each.complexity) for each in blocks)
    return Module(ast.get_docstring(tree) or "", tuple(_imported(tree.body)), busy)


def _imported(statements: Iterable[ast.AST]) -> Iterator[str]:
    """Of all that is imported, wherever in the module that is done."""
    for each in statements:
        if isinstance(each, ast.Import):
            yield from (alias.name for alias in each.names)
        elif isinstance(each, ast.ImportFrom) and each.module and not each.level:
            yield from (f"{each.module}.{alias.name}" for alias in each.names)
        for name in BLOCKS:
            yield from _imported(getattr(each, name, ()))


def sources(root: Path, *folders: str) -> Iterator[Path]:
    """Python files in the given folders, in a steady order."""
    for folder in folders:
        yield from sorted(path for path in (root / folder).rglob("*.py") if "__pycache__" not in path.parts)


def tests_without_module(root: Path) -> list[str]:
    """``tests/unit/<path>/test_<module>[_topic].py`` stands where ``<path>/<module>.py`` does."""
    unit = root / "tests/unit"
    return [
        f"{path.relative_to(root)}: there is no module that it is named for in {path.parent.relative_to(unit)}/"
        for path in sorted(unit.rglob("test_*.py"))
        if not any((root / path.parent.relative_to(unit) / f"{name}.py").exists() for name in _names(path.stem))
    ]


def _names(stem: str) -> Iterator[str]:
    """test_a_b -> a, a_b."""
    words = stem.split("_")[1:]
    return ("_".join(words[:count]) for count in range(1, len(words) + 1))


def imports_of_tests(root: Path) -> list[str]:
    """What tests share lives in tests/support, not in a module that has tests."""
    return [
        f"{path.relative_to(root)} imports from the test module {name}"
        for path in sources(root, "tests")
        for name in module(path, measured=False).imports
        if any(word.startswith("test_") for word in name.split(".")[:-1])
    ]


def long_files(root: Path) -> list[str]:
    lengths = {path: len(path.read_bytes().splitlines()) for path in sources(root, *CODE, "tests")}
    return [
        f"{path.relative_to(root)} has {length} lines: split it by subject, {MOST_LINES} at most"
        for path, length in lengths.items()
        if length > MOST_LINES and str(path.relative_to(root)) not in LONG
    ]


def full_folders(root: Path) -> list[str]:
    counts = Counter(path.parent for path in sources(root, *PRODUCT) if path.name != "__init__.py")
    return [
        f"{folder.relative_to(root)} has {count} files: {MOST_FILES} at most"
        for folder, count in sorted(counts.items())
        if count > MOST_FILES
    ]


def silent_packages(root: Path) -> list[str]:
    """Each package's docstring is the promise on its door."""
    folders = {path.parent for path in sources(root, *CODE)}
    return [
        f"{folder.relative_to(root)}/__init__.py has no docstring that says what the folder is for"
        for folder in sorted(folders)
        if not (folder / "__init__.py").exists() or not module(folder / "__init__.py").doc
    ]


def complex_functions(root: Path) -> list[str]:
    """Cyclomatic complexity as radon counts it."""
    return [
        f"{path.relative_to(root)}:{line} {name} has complexity {complexity}: {MOST_BRANCHES} at most"
        for path in sources(root, *CODE)
        for line, name, complexity in module(path).complex
    ]


def wide_documents(root: Path) -> list[str]:
    """Lines of documents fit a screen. A table's rows cannot be broken, and count by their cells."""
    documents = [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]
    return [
        f"{path.relative_to(root)}:{number} has {len(line)} characters: {WIDEST} at most"
        for path in documents
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > WIDEST
    ]
