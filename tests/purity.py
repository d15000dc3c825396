"""
Modules that say "Pure" in their docstring, held to it: no clock, no I/O, no client library, not even through others.

A package whose docstring says it speaks for all of its modules. Read from the sources; nothing is imported.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from tests.layout import CODE, module, sources

IMPURE = {
    "asyncio", "time", "socket", "os", "subprocess", "pathlib", "logging",
    "structlog", "aiohttp", "aiodocker", "docker", "pyVmomi", "libvirt",
}  # fmt: skip
_PURE = re.compile(r"\b[Pp]ure\b")


class Modules:
    """All modules of the code below ``root``, by their dotted names."""

    def __init__(self, root: Path) -> None:
        self._all = {_dotted(path.relative_to(root)): module(path) for path in sources(root, *CODE)}

    @cached_property
    def imports(self) -> Mapping[str, frozenset[str]]:
        return {name: frozenset(self._needs(name, found.imports)) for name, found in self._all.items()}

    def _needs(self, module: str, names: Iterable[str]) -> Iterator[str]:
        """Modules of ours, each by its longest name, and top names of others."""
        for name in names:
            words = name.split(".")
            ours = (".".join(words[:count]) for count in range(len(words), 0, -1))
            yield next((each for each in ours if each in self._all and each != module), words[0])

    def pure(self) -> list[str]:
        said = [name for name, found in self._all.items() if _PURE.search(found.doc)]
        return [name for name in self._all if any(name == each or name.startswith(f"{each}.") for each in said)]

    def way_out(self, module: str) -> tuple[str, ...]:
        """The shortest chain of imports from a module to something impure; empty when there is none."""
        queue: deque[tuple[str, ...]] = deque([(module,)])
        seen = {module}
        while queue:
            chain = queue.popleft()
            if chain[-1] in IMPURE:
                return chain
            for name in sorted(self.imports.get(chain[-1], ())):
                if name not in seen:
                    seen.add(name)
                    queue.append((*chain, name))
        return ()


def _dotted(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def broken_promises(root: Path) -> list[str]:
    modules = Modules(root)
    ways = {name: modules.way_out(name) for name in modules.pure()}
    return [f"{name} says that it is pure: {' -> '.join(way)}" for name, way in ways.items() if way]
