"""``reberth``: what people and containers start."""

from __future__ import annotations

import sys
from importlib import import_module

PROGRAMS = {"gate": "controller.gate.app", "node": "controller.node.service", "controller": "controller.app"}


def main() -> None:
    """Entry point `reberth`."""
    # Docker gives the gate some seconds to answer on its socket; others start sooner without people's commands.
    if len(sys.argv) == 2 and sys.argv[1] in PROGRAMS:
        sys.exit(import_module(PROGRAMS[sys.argv[1]]).main())
    from controller.cli.app import load  # noqa: PLC0415
    from controller.cli.client import Unanswered  # noqa: PLC0415

    try:
        load()(prog_name="reberth")
    except Unanswered as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(error.code)


if __name__ == "__main__":
    main()
