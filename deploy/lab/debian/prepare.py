"""``python -m deploy.lab.debian.prepare``: the Debian packages that labs need, for `make`."""

from __future__ import annotations

import os
import sys

from deploy.lab.debian.packages import ensure_packages, missing
from deploy.lab.names import LabError


def main() -> int:
    wanted = missing()
    if wanted and os.geteuid() != 0:
        print(f"Labs need packages that only root can install: {', '.join(wanted)}. Run `make` as root.")  # noqa: T201
        return 1
    try:
        ensure_packages(lambda text: print(f"packages: {text}", flush=True))  # noqa: T201
    except LabError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
