"""
``python3 -m tests.lio.writer DEVICE FILE RUN``: a database that commits. One record after the other is written past the
page cache, and only when the LUN has it, its number goes into the file; what went wrong goes there, too.
"""

from __future__ import annotations

import errno
import mmap
import os
import sys
from collections.abc import Callable
from pathlib import Path

START, RECORD = 2 << 20, 4096
MARK = b"record of %s: %08d"


def main(device: str, file: str, run: str) -> None:
    fd = os.open(device, os.O_RDWR | os.O_DIRECT | os.O_DSYNC)
    page = mmap.mmap(-1, RECORD)
    with Path(file).open("a", buffering=1) as said:
        for number in range(1, 12_000):
            page[:] = (MARK % (run.encode(), number)).ljust(RECORD, b".")
            try:
                os.pwritev(fd, [page], START + number * RECORD)
            except OSError as error:
                said.write(f"failed {errno.errorcode.get(error.errno or 0, error.errno)}\n")
                return
            said.write(f"{number}\n")


def records(read: Callable[[int, int], bytes], run: str) -> int:
    """How many of this run there are on the LUN. ``read``: offset, length."""
    chunk = 256
    for first in range(1, 12_000, chunk):
        data = read(START + first * RECORD, chunk * RECORD)
        for index in range(chunk):
            if not data[index * RECORD :].startswith(MARK % (run.encode(), first + index)):
                return first + index - 1
    return 12_000


if __name__ == "__main__":
    main(*sys.argv[1:])
