"""``python -m deploy.lab.clean``: takes down the labs that this working copy made, for `make clean`."""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.lab.images.images import tidy_builds
from deploy.lab.lab import Lab, LabError

PROJECT = Path(__file__).resolve().parents[2]


def main(project: Path = PROJECT) -> int:
    """A lab without records may be another working copy's: it is named, not touched."""
    failed = False
    tidy_builds(project / ".cache")
    for name in Lab.names():
        try:
            lab = Lab.find(name)
            if lab is None:
                print(f"clean: the lab {name!r} has no records, `reberth lab down --name {name}` removes it")  # noqa: T201
            elif Path(lab.spec.cache).is_relative_to(project):
                print(f"clean: take down the lab {name!r}", flush=True)  # noqa: T201
                lab.down()
        except LabError as error:
            failed = True
            print(f"clean: {error}", file=sys.stderr)  # noqa: T201
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
