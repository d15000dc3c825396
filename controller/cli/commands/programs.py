"""The programs that containers start."""

from __future__ import annotations

import sys
from importlib import import_module

from controller.cli.app import app


@app.command()
def controller() -> None:
    """Run the controller (a Swarm service on managers)."""
    sys.exit(import_module("controller.app").main())


@app.command()
def gate() -> None:
    """Run the gate (a Docker plugin on each node)."""
    sys.exit(import_module("controller.gate.app").main())


@app.command()
def node() -> None:
    """Run the node service (a Swarm service on every node)."""
    sys.exit(import_module("controller.node.service").main())
