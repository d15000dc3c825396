"""What computes for too long is ended; what waits is not."""

from __future__ import annotations

import itertools
import time

import pytest

from tests.sim.deadline import ending


def test_who_computes_for_too_long_is_told_so() -> None:
    with pytest.raises(TimeoutError, match="had no end"), ending(0.1):
        for _ in itertools.count():
            pass


def test_who_only_waits_is_let_be_and_nothing_comes_afterwards() -> None:
    with ending(0.1):
        time.sleep(0.3)
    began = time.process_time()
    while time.process_time() < began + 0.2:
        pass
