"""A watch whose settings cannot be used just now, and what it tells of updates (`tests/fixtures/vcenter/`)."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyVmomi import vmodl

from drivers.shared.faults import NotSent
from drivers.vsphere.client import Watch
from drivers.vsphere.faults import Fault, Kind
from drivers.vsphere.requests import Update
from drivers.vsphere.settings import Settings
from tests.support.replay import Replay


def test_a_ca_file_that_cannot_be_read_when_a_watch_connects_again_ends_no_controller(tmp_path: Path) -> None:
    """It was there at the start, and is being replaced: the watch is tried again later."""
    settings = Settings(
        host="127.0.0.1",
        user_file="user",
        password_file="password",
        datacenter="DC",
        datastore="DS",
        ca_file=str(tmp_path / "ca.pem"),
    )
    with pytest.raises(NotSent, match="ca_file"):
        Watch(settings, 1.0)


class Watching(Watch):
    """After its login, at a server that answers with these shapes."""

    def __init__(self, *shapes: str) -> None:
        self._version = ""
        stub = Replay(WaitForUpdatesEx=" ".join(shapes))
        self._collector = vmodl.query.PropertyCollector("session[1]2", stub)


def test_of_each_object_that_is_named_the_last_uuid_is_told_also_where_values_are_not_set() -> None:
    watch = Watching("updates-first", "updates-last", "updates-changed", "updates-none")
    told = [watch.wait(1) for _ in range(4)]
    assert told == [
        Update({"vm-48": "420fd00b-1122-3344-5566-778899aabbcc"}),
        Update({"host-18": None, "datastore-15": None}),
        Update({"vm-48": None, "vm-49": None}),
        None,
    ]


def test_a_watch_whose_session_has_ended_says_so() -> None:
    with pytest.raises(Fault) as caught:
        Watching("fault-no-session").wait(1)
    assert caught.value.kind is Kind.NOT_AUTHENTICATED
