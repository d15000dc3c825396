"""A session: what it does about objects that it looked up at its login and that are gone, and about slow logins."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from pyVmomi import vim, vmodl

from drivers.shared.faults import Doubt, NotSent
from drivers.vsphere.client.session import Open, Session
from drivers.vsphere.faults import Fault, Kind
from drivers.vsphere.settings import Settings

SETTINGS = Settings(host="h", user_file="u", password_file="p", datacenter="DC", datastore="DS")


class Logins(Session):
    """Its logins find a datastore under the next of these IDs; None: they find none."""

    def __init__(self, *refs: str | None) -> None:
        super().__init__(SETTINGS, 1.0)
        self._refs = list(refs)

    def _login(self) -> Open:
        ref = self._refs.pop(0)
        if ref is None:
            raise NotSent("no login at h: there is no datastore DC/datastore/DS")
        found: Any = SimpleNamespace(stub=SimpleNamespace(DropConnections=lambda: None), datastore=vim.Datastore(ref))
        return found  # type: ignore[no-any-return]


def browse(now: Open) -> str:
    """There is only this one now."""
    ref = str(now.datastore._moId)
    if ref != "datastore-2":
        raise vmodl.fault.ManagedObjectNotFound(obj=now.datastore)
    return ref


def test_a_datastore_that_was_mounted_anew_is_looked_up_anew() -> None:
    session = Logins("datastore-1", "datastore-2")
    assert session.run(browse) == "datastore-2"
    assert session.run(browse) == "datastore-2"


def test_a_datastore_that_is_nowhere_any_more_ends_no_session_that_serves_the_others() -> None:
    session = Logins("datastore-1", None)
    with pytest.raises(Fault, match="there is no datastore") as caught:
        session.run(browse)
    assert (caught.value.kind, caught.value.in_doubt) == (Kind.PLACE_GONE, False)
    assert session.run(lambda now: str(now.datastore._moId)) == "datastore-1"


def test_a_login_without_an_answer_leaves_nothing_in_doubt(tmp_path: Path) -> None:
    """As where the identity source is slow: what was wanted was not asked for yet."""

    class Slow(Session):
        def _greet(self, stub: Any, credentials: Any) -> Open:
            raise Doubt("no answer: timed out")

    secret = tmp_path / "secret"
    secret.write_text("s")
    session = Slow(msgspec.structs.replace(SETTINGS, user_file=str(secret), password_file=str(secret)), 1.0)
    with pytest.raises(NotSent, match="no login at h: no answer: timed out"):
        session.run(browse)
