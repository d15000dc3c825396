"""
What `make mutants` says: how many mutants of the core the fast tests kill, and which survive.

mutmut 3 keeps its results in mutants/controller/*.meta. A mutant that only changes the words of a sentence for people
is counted apart: tests hold what such a sentence must name, not each of its letters.
"""

from __future__ import annotations

import ast
import copy
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KILLED = frozenset({1, 3})  # pytest failed
TIMEOUT = frozenset({36, 24, 152, 255, -24})  # of its time, or of the processor's
UNTESTED = 33
NAME = re.compile(r"(?P<orig>.+)__mutmut_\d+$")


@dataclass(frozen=True)
class Mutant:
    file: str
    name: str
    code: int | None  # pytest's exit code; None: not run
    words_only: bool
    change: str


class _WithoutWords(ast.NodeTransformer):
    """All texts become the same text; keys and comparisons stay what they are only in their structure."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("") if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        self.generic_visit(node)
        return node


def mutants(root: Path) -> Iterator[Mutant]:
    for meta in sorted(root.glob("controller/**/*.meta")):
        file = meta.with_suffix("")
        functions = {
            node.name: node
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        for key, code in json.loads(meta.read_text())["exit_code_by_key"].items():
            name = key.rpartition(".")[2]
            match = NAME.match(name)
            before = None if match is None else functions.get(f"{match['orig']}__mutmut_orig")
            after = functions.get(name)
            if before is None or after is None:
                yield Mutant(file.name, name, code, words_only=False, change="?")
            else:
                yield Mutant(file.name, name, code, _same_but_words(before, after), _change(before, after))


def _same_but_words(before: ast.AST, after: ast.AST) -> bool:
    return _bare(before) == _bare(after)


def _bare(function: ast.AST) -> list[str]:
    stripped = _WithoutWords().visit(copy.deepcopy(function))
    return ast.unparse(stripped).splitlines()[1:]


def _change(before: ast.AST, after: ast.AST) -> str:
    one, two = ast.unparse(before).splitlines()[1:], ast.unparse(after).splitlines()[1:]
    gone = [line.strip() for line in one if line not in two]
    come = [line.strip() for line in two if line not in one]
    return f"{' / '.join(gone)[:150]}  ->  {' / '.join(come)[:150]}"


def main() -> int:
    found = list(mutants(Path("mutants")))
    ran = [each for each in found if each.code is not None]
    left = [each for each in ran if each.code not in KILLED | TIMEOUT]
    words = Counter(each.file for each in left if each.words_only)
    for each in left:
        if not each.words_only:
            print(f"{each.file} {each.name} ({each.code}): {each.change}")  # noqa: T201 - this is its output
    killed, late = (sum(each.code in codes for each in ran) for codes in (KILLED, TIMEOUT))
    untested = sum(each.code == UNTESTED for each in ran)
    print(f"{len(found)} mutants, {len(ran)} run, {killed} killed, {late} timeouts, {len(left)} left")  # noqa: T201
    print(f"{words.total()} of those left change only words for people: {dict(words)}; {untested} met no test")  # noqa: T201
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
