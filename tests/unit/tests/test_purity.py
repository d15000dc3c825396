"""Whoever says that it is pure is held to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.purity import broken_promises

PURE = '"""Values. Pure."""\n'


def project(root: Path, **files: str) -> Path:
    for name, text in {"__init__": '"""All."""\n', **files}.items():
        path = root / "controller" / f"{name.replace('__of__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_module_that_only_computes_keeps_its_promise_and_others_may_do_as_they_like(tmp_path: Path) -> None:
    assert broken_promises(project(tmp_path, values=f"{PURE}import re\n", server="import asyncio\n")) == []


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "from os import path",
        "class A:\n    def f(self):\n        import subprocess",
        "if A:\n    B = 1\nelse:\n    import time",
        "try:\n    A()\nexcept OSError:\n    import time",
        "try:\n    A()\nfinally:\n    import time",
        "match A:\n    case 1:\n        import time",
    ],
)
def test_an_import_that_is_not_pure_breaks_it_wherever_it_stands(tmp_path: Path, line: str) -> None:
    (complaint,) = broken_promises(project(tmp_path, values=f"{PURE}{line}\n"))

    assert complaint.startswith("controller.values says that it is pure: controller.values -> ")


def test_what_is_imported_through_others_counts_and_the_way_is_named(tmp_path: Path) -> None:
    found = broken_promises(
        project(
            tmp_path,
            values=f"{PURE}from controller.middle import x\n",
            middle="from controller import end\n",
            end="import aiohttp.web\n",
        )
    )

    assert found == [
        "controller.values says that it is pure: controller.values -> controller.middle -> controller.end -> aiohttp"
    ]


def test_a_package_that_says_it_speaks_for_all_in_it(tmp_path: Path) -> None:
    found = broken_promises(project(tmp_path, planner__of____init__=PURE, planner__of__plan="import socket\n"))

    assert found == ["controller.planner.plan says that it is pure: controller.planner.plan -> socket"]


def test_modules_that_import_each_other_are_no_endless_way(tmp_path: Path) -> None:
    one, two = f"{PURE}import controller.two\n", "import controller.one\n"

    assert broken_promises(project(tmp_path, one=one, two=two)) == []
