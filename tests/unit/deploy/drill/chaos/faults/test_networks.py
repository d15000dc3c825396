"""Which packets are dropped."""

from __future__ import annotations

from deploy.drill.chaos.faults.networks import IN, OUT, Dropped


def test_what_comes_is_dropped_before_the_engine_changes_its_address_and_what_goes_after() -> None:
    assert Dropped(IN, ("-s", "10.0.0.1")).rule("c") == ["-t", "raw", "-A", "c", "-s", "10.0.0.1", "-j", "DROP"]
    assert Dropped(OUT).rule("c") == ["-t", "mangle", "-A", "c", "-j", "DROP"]
