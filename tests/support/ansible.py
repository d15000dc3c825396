"""Ansible, in an environment of its own in .cache: its libraries are none of ours."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = PROJECT / ".cache" / "ansible"
_PYPI = "ansible-core==2.19.14"


def ensure() -> Path:
    """Quick when nothing is missing. The folder of its programs."""
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    complete = FOLDER / "complete"
    with FOLDER.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists() or complete.read_text() != _PYPI:
            shutil.rmtree(FOLDER, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
            pip = [str(FOLDER / "bin/python"), "-m", "pip", "--disable-pip-version-check", "-q", "install", _PYPI]
            subprocess.run(pip, check=True)
            complete.write_text(_PYPI)
    return FOLDER / "bin"


@dataclass(frozen=True)
class Played:
    text: str
    code: int

    @property
    def changed(self) -> dict[str, int]:
        """Host -> tasks that changed something, of the recap."""
        return {
            host: int(count) for host, count in re.findall(r"^(\S+) +: ok=.*changed=(\d+)", self.text, re.MULTILINE)
        }


def play(playbook: Path, inventory: Path, *words: str, environment: Mapping[str, str], home: Path) -> Played:
    own = {"ANSIBLE_HOME": str(home), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0", "LC_ALL": "C.UTF-8"}
    command = [str(ensure() / "ansible-playbook"), "-i", str(inventory), str(playbook), *words]
    given = {**os.environ, **own, **environment}
    done = subprocess.run(command, env=given, cwd=home, capture_output=True, text=True, check=False)
    return Played(done.stdout + done.stderr, done.returncode)
