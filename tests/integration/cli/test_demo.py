"""The demonstration as a person starts it, and what a start of the others loads."""

from __future__ import annotations

import subprocess
import sys


def test_the_command_needs_nothing_but_itself() -> None:
    command = [sys.executable, "-m", "controller.cli.main", "demo", "--at-once"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "The volume moved." in done.stdout


def test_other_commands_do_not_wait_for_the_planner() -> None:
    """Each command loads all commands: a person waits for that, and so does a script that asks each second."""
    look = "import sys; from controller.cli.app import load; load(); sys.exit('controller.planner' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0
