import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from deploy.drill.interrupts import SIGNALS, delayed, undisturbed


@pytest.fixture
def came() -> list[int]:
    """The signals that reached the program."""
    return []


@pytest.fixture(autouse=True)
def handled(came: list[int]) -> Iterator[None]:
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_during_a_clean_up_reaches_a_program_that_goes_on_when_the_clean_up_has_ended(came: list[int]) -> None:
    steps = []
    with delayed():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        steps.append(tuple(came))

    assert steps == [()]
    assert came == [signal.SIGINT]
    signal.raise_signal(signal.SIGHUP)
    assert came == [signal.SIGINT, signal.SIGHUP]


def test_a_clean_up_that_fails_says_so_and_the_signal_is_not_lost(came: list[int]) -> None:
    def fail() -> None:
        with delayed():
            signal.raise_signal(signal.SIGINT)
            raise OSError("busy")

    with pytest.raises(OSError, match="busy"):
        fail()

    assert came == [signal.SIGINT]


def test_what_a_clean_up_starts_does_not_get_the_terminals_interrupt() -> None:
    told = "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('lived')"
    with delayed():
        done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=False)

    assert done.stdout == "lived\n"


def test_a_signal_during_the_last_clean_up_is_dropped(came: list[int]) -> None:
    with undisturbed():
        signal.raise_signal(signal.SIGINT)

    assert came == []
