"""Whom the next looks ask for."""

from __future__ import annotations

from controller.model import VmId
from controller.reconciler.nodes.suspects import Suspects

VM = VmId("vm1")


def test_a_vm_is_suspected_for_some_seconds_after_the_last_event_about_it() -> None:
    now = 100.0
    suspects = Suspects(lambda: now, 3.0)
    suspects.add(VM)
    now = 102.0
    suspects.add(VM)
    now = 104.9
    assert suspects.now() == {VM}
    now = 105.0
    assert suspects.now() == frozenset()
