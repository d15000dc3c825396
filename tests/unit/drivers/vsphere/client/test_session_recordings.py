"""Greetings of several versions, as public recordings have them: `tests/fixtures/vcenter/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from drivers.shared.faults import NotSent
from drivers.vsphere.client.session import Open, Session
from drivers.vsphere.settings import Settings
from tests.support.replay import Replay


class Greeted(Session):
    """Its server answers with these shapes; what comes after the login is not asked."""

    def __init__(self, tmp_path: Path, content: str, login: str = "login-6.5") -> None:
        secret = tmp_path / "secret"
        secret.write_text("s")
        settings = Settings(host="h", user_file=str(secret), password_file=str(secret), datacenter="DC", datastore="DS")
        super().__init__(settings, 1.0)
        self.replay = Replay(RetrieveServiceContent=content, Login=login)

    def _greet(self, _stub: Any, credentials: Any) -> Open:
        stub: Any = self.replay
        return super()._greet(stub, credentials)

    def _orient(self, _stub: Any, content: Any) -> Open:
        return content  # type: ignore[no-any-return]


def no_login(session: Session) -> str:
    with pytest.raises(NotSent) as caught:
        session.run(lambda now: now)
    return str(caught.value)


def test_a_vcenter_6_0_and_an_esxi_6_5_are_greeted_though_each_lacks_a_manager(tmp_path: Path) -> None:
    kinds = []
    for shape in ("content-6.0", "content-esxi-6.5"):
        found: Any = Greeted(tmp_path, shape).run(lambda now: now)
        kinds.append((found.about.apiType, found.about.instanceUuid, found.datastoreNamespaceManager is None))
        assert (found.customFieldsManager is None) is (found.about.apiType == "HostAgent")
    assert kinds == [("VirtualCenter", "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", True), ("HostAgent", None, False)]


def test_a_server_that_does_not_speak_our_version_is_told_to_be_too_old(tmp_path: Path) -> None:
    said = 'RuntimeFault: Unsupported version URI "urn:vim25/7.0.0.0"'
    older = "is the server older than vSphere 7.0?"
    assert no_login(Greeted(tmp_path, "fault-version")) == f"no login at h: {said}; {older}"


def test_a_server_that_has_less_than_is_needed_is_told_to_be_too_old_and_ends_no_controller(tmp_path: Path) -> None:
    session = Greeted(tmp_path, "content-5.5-old-namespace")
    assert "has no viewManager, fileManager, virtualDiskManager: is the server older" in no_login(session)
    assert session.replay.asked == ["RetrieveServiceContent"]


def test_a_refused_password_is_not_sent_again_at_once(tmp_path: Path) -> None:
    session = Greeted(tmp_path, "content-6.0", "fault-invalid-login")
    assert "InvalidLogin: The user or the password is wrong." in no_login(session)
    assert "refused the user or the password" in no_login(session)
    assert session.replay.asked.count("Login") == 1
