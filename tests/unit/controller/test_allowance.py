"""So many at once, and one more in so many seconds: for each by itself."""

from __future__ import annotations

from controller.allowance import Allowance


def test_so_many_are_allowed_at_once_and_then_one_in_so_many_seconds() -> None:
    now = [100.0]
    allowance = Allowance[str](lambda: now[0], 3, 10.0)
    assert [allowance.take("a") for _ in range(5)] == [True, True, True, False, False]
    assert (allowance.wait("a"), allowance.wait("b")) == (10.0, 0.0)
    now[0] += 10.0
    assert [allowance.take("a") for _ in range(2)] == [True, False]
    now[0] += 40.0
    assert [allowance.take("a") for _ in range(5)] == [True, True, True, False, False]


def test_whoever_did_nothing_for_long_is_forgotten_and_nobody_else() -> None:
    now = [0.0]
    allowance = Allowance[int](lambda: now[0], 1, 10.0)
    for number in range(5000):
        assert allowance.take(number)
    assert not allowance.take(4999)
    now[0] += 20.0
    for number in range(10_000, 30_000):
        allowance.take(number)
    assert len(allowance._full) <= 20_000 + 5000
