"""
``python3 -m tests.lio.aptpl FILE ENTRY``: what the kernel wrote of a LUN's registrations, given back to it.

The kernel's own file is one block for each registration, of ``key=value`` lines between PR_REG_START and PR_REG_END;
the entry takes one block at a time, as one line with commas.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def blocks(text: str) -> list[str]:
    found = re.findall(r"PR_REG_START: \d+\n(.*?)PR_REG_END: \d+\n", text, re.DOTALL)
    return [",".join(each.split("\n")).strip(",") for each in found]


def main(file: str, entry: str) -> None:
    for each in blocks(Path(file).read_text()):
        Path(entry).write_text(each)


if __name__ == "__main__":
    main(*sys.argv[1:])
