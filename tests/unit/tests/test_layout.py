"""The project stands as it promises, and what looks at it sees what does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import layout, purity

ROOT = Path(__file__).resolve().parents[3]
HOLDS = [
    layout.tests_without_module,
    layout.imports_of_tests,
    layout.long_files,
    layout.full_folders,
    layout.silent_packages,
    layout.complex_functions,
    layout.wide_documents,
    purity.broken_promises,
]
BRANCHES = "def busy(a):\n" + "".join(f"    if a == {number}: return {number}\n" for number in range(10))


@pytest.mark.parametrize("complaints", HOLDS, ids=lambda each: each.__name__)
def test_the_project_stands_as_it_promises(complaints: Callable[[Path], list[str]]) -> None:
    assert complaints(ROOT) == []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small project in which all is well."""
    write(tmp_path, "controller/__init__.py", '"""What it is for."""\n')
    write(tmp_path, "controller/planner/__init__.py", '"""What it is for."""\n')
    write(tmp_path, "controller/planner/plan.py", BRANCHES.replace("if a == 9: return 9", "return a"))
    write(tmp_path, "controller/model.py", "x = 1\n" * 301)
    write(tmp_path, "tests/unit/controller/planner/test_plan.py", "from tests.support import worlds\n")
    write(tmp_path, "tests/unit/controller/planner/test_plan_limits.py", "")
    write(tmp_path, "docs/safety.md", "x" * 140 + "\n")
    for number in range(12):
        write(tmp_path, f"controller/planner/part{number}.py", "x = 1\n" * 300)
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


LOOKS = [
    layout.tests_without_module,
    layout.imports_of_tests,
    layout.long_files,
    layout.full_folders,
    layout.silent_packages,
    layout.complex_functions,
    layout.wide_documents,
]


def test_a_project_in_which_all_is_well_has_no_complaint(root: Path) -> None:
    assert [complaint for look in LOOKS for complaint in look(root)] == []


@pytest.mark.parametrize(
    ("look", "name", "text", "words"),
    [
        (layout.tests_without_module, "tests/unit/controller/test_plan.py", "", "no module that it is named for"),
        (
            layout.imports_of_tests,
            "tests/unit/controller/planner/test_plan.py",
            "def test_a():\n    from tests.unit.controller.planner.test_other import x\n",
            "imports from the test module tests.unit.controller.planner.test_other.x",
        ),
        (layout.long_files, "tests/support/long.py", "x = 1\n" * 301, "has 301 lines"),
        (layout.full_folders, "controller/planner/one_more.py", "", "has 14 files"),
        (layout.silent_packages, "controller/planner/__init__.py", "x = 1\n", "planner/__init__.py has no docstring"),
        (layout.silent_packages, "controller/api/server.py", "", "api/__init__.py has no docstring"),
        (layout.complex_functions, "controller/planner/part1.py", BRANCHES, "part1.py:1 busy has complexity 11"),
        (layout.wide_documents, "docs/safety.md", "x" * 141, "docs/safety.md:1 has 141 characters"),
    ],
    ids=["mirror", "imports", "long", "full", "no docstring", "no file", "complex", "wide"],
)
def test_what_is_not_as_it_should_be_is_said(
    root: Path, look: Callable[[Path], list[str]], name: str, text: str, words: str
) -> None:
    write(root, name, text)

    (complaint,) = look(root)
    assert words in complaint
