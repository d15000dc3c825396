"""The programs of MariaDB and Redis that write."""

from __future__ import annotations

import subprocess

import pytest

from deploy.drill.chaos.databases import MARIADB, READ_MARIADB, READ_REDIS, REDIS


@pytest.mark.parametrize("program", [MARIADB, REDIS, READ_MARIADB, READ_REDIS])
def test_a_shell_understands_it(program: str) -> None:
    said = subprocess.run(["sh", "-n", "-c", program], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")
