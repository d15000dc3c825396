"""Credentials that were refused are not sent again and again."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.shared.settings import SettingsError
from drivers.vsphere.client.login import REFUSED_PAUSE, LoginGuard
from drivers.vsphere.settings import Credentials, Settings


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "user").write_text("me\n")
    (tmp_path / "password").write_text(" old \n")
    files = {"user_file": str(tmp_path / "user"), "password_file": str(tmp_path / "password")}
    return Settings.parse({"host": "h", "datacenter": "d", "datastore": "s", **files})


def test_only_the_end_of_the_line_is_not_part_of_a_secret(settings: Settings) -> None:
    assert LoginGuard(settings).credentials() == Credentials("me", " old ")


def test_refused_credentials_rest_and_may_then_be_tried_again(settings: Settings) -> None:
    clock = Clock()
    guard = LoginGuard(settings, clock)
    found = guard.credentials()
    assert isinstance(found, Credentials)
    guard.refused(found)
    clock.now += 10
    assert guard.credentials() == REFUSED_PAUSE - 10
    clock.now += REFUSED_PAUSE
    assert guard.credentials() == found


def test_another_password_may_be_tried_at_once(settings: Settings) -> None:
    guard = LoginGuard(settings)
    found = guard.credentials()
    assert isinstance(found, Credentials)
    guard.refused(found)
    Path(settings.password_file).write_text("new\n")
    assert guard.credentials() == Credentials("me", "new")


@pytest.mark.parametrize("text", ["", "\n"], ids=["empty", "an empty line"])
def test_an_empty_secret_is_an_error_that_names_the_file(settings: Settings, text: str) -> None:
    Path(settings.password_file).write_text(text)
    with pytest.raises(SettingsError, match=r"password_file .* is empty"):
        LoginGuard(settings).credentials()


def test_a_secret_that_is_not_there_is_an_error_that_names_the_file(settings: Settings) -> None:
    Path(settings.user_file).unlink()
    with pytest.raises(SettingsError, match=r"user_file .* cannot be read"):
        LoginGuard(settings).credentials()


def test_a_password_is_never_shown() -> None:
    assert "secret" not in repr(Credentials("me", "secret"))
