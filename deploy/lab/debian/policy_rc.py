"""Debian's own means against packages that start their services when they are installed: policy-rc.d(8)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_FORBID = "#!/bin/sh\n# made by reberth's lab while it installs packages\nexit 101\n"


@dataclass(frozen=True, slots=True)
class ServicePolicy:
    """As a context: no service is started inside, and what the machine had before is back after it."""

    path: Path

    def __enter__(self) -> None:
        self.restore()
        if self.path.exists():
            self.path.rename(self._kept)
        self.path.write_text(_FORBID)
        self.path.chmod(0o755)

    def __exit__(self, *_: object) -> None:
        self.restore()

    @property
    def _kept(self) -> Path:
        return self.path.with_name(f"{self.path.name}.before-reberth-lab")

    def restore(self) -> None:
        """Also after a run that was killed: our file is known by its text."""
        if self.path.exists() and self.path.read_text() == _FORBID:
            self.path.unlink()
        if self._kept.exists() and not self.path.exists():
            self._kept.rename(self.path)
