"""``reberth``: what people and containers start."""

from __future__ import annotations

import sys
from importlib import import_module


def main() -> None:
    """Entry point `reberth`."""
    # The gate must answer on its socket at once, and under all conditions: nothing heavy is imported before.
    if sys.argv[1:] == ["gate"]:
        sys.exit(import_module("controller.gate.app").main())
    from controller.cli.client import Unanswered  # noqa: PLC0415
    from controller.cli.commands import app  # noqa: PLC0415

    try:
        app()
    except Unanswered as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(1)


if __name__ == "__main__":
    main()
