from __future__ import annotations

import pytest

from tests.bench.throughput import Throughput, transactions

TOLD = """\
number of failed transactions: 0 (0.000%)
latency average = 1.154 ms
initial connection time = 6.241 ms
tps = 3464.777780 (without initial connection time)
"""


def test_the_number_is_the_one_that_pgbench_calls_tps() -> None:
    assert transactions(TOLD) == 3464.77778


def test_an_answer_without_a_number_is_no_measurement() -> None:
    with pytest.raises(ValueError, match="pgbench says no number: connection to server failed"):
        transactions("connection to server failed")


def test_a_ratio_is_of_one_round() -> None:
    assert Throughput(local=(100.0, 200.0), reberth=(50.0, 180.0)).ratios == [0.5, 0.9]
