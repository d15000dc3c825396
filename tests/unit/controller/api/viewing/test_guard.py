"""Who may read over HTTP: with the token alone where there is one, and from loopback alone where there is none."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.api.viewing.guard import Guard, token_of
from controller.api.viewing.openapi import PATH
from controller.api.viewing.reads import READS
from controller.settings import Settings, SettingsError, parse
from tests.support.api_site import site
from tests.support.certificates import SwarmCa
from tests.support.viewing import View, viewing

TOKEN = "c0ffee00c0ffee00c0ffee00"
HERE = {"Host": "localhost:7491"}


@pytest.fixture
async def client(ca: SwarmCa, tmp_path: Path) -> AsyncIterator[View]:
    async with site(ca, tmp_path) as place:
        await place.granted()
        async with viewing(place, TOKEN.encode()) as made:
            yield made


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


WRONG = ["", "Bearer", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", TOKEN, f"Digest {TOKEN}", "Basic ???", "Basic w6Q"]
WRONG += [basic("me"), basic(f"{TOKEN}:"), basic("me:wrong"), "Bearer \udcff", basic("")]


@pytest.mark.parametrize("said", WRONG)
def test_anything_but_the_token_is_refused(said: str) -> None:
    refused = Guard(TOKEN.encode()).refusal({**HERE, "Authorization": said})
    assert refused is not None
    assert refused.status == 401
    assert TOKEN not in refused.why


@pytest.mark.parametrize("said", [f"Bearer {TOKEN}", f"bearer  {TOKEN} ", basic(f"me:{TOKEN}"), basic(f":{TOKEN}")])
def test_the_token_is_taken_as_bearer_and_as_a_browsers_password(said: str) -> None:
    assert Guard(TOKEN.encode()).refusal({**HERE, "Authorization": said}) is None


def test_the_name_is_looked_at_before_the_token() -> None:
    """A page from elsewhere learns nothing by it, whatever its browser sends along."""
    refused = Guard(TOKEN.encode()).refusal({"Host": "attacker.example.com", "Authorization": f"Bearer {TOKEN}"})
    assert refused is not None
    assert refused.status == 421


@pytest.mark.parametrize("path", ["/ui", PATH, *(each.path.format(volume="data") for each in READS)])
async def test_no_path_answers_without_the_token_and_all_do_with_it(client: View, path: str) -> None:
    async with client.session.get(path) as answer:
        assert (answer.status, answer.headers["WWW-Authenticate"].startswith("Basic realm=")) == (401, True)
        assert "data" not in await answer.text()
    async with client.session.get(path, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
        assert answer.status == 200


def settings(**given: object) -> Settings:
    return parse("", {f"REBERTH_{name.upper()}": str(value) for name, value in given.items()})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_on_loopback_no_token_is_needed(host: str) -> None:
    assert token_of(settings(metrics_listen=host)) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "manager1", "127.0.0.1.example.com", ""])
def test_on_an_address_of_the_network_a_controller_does_not_start_without_a_token(host: str) -> None:
    with pytest.raises(SettingsError, match="http_token_file is not set: name a file"):
        token_of(settings(metrics_listen=host))


def test_it_starts_without_one_where_a_person_has_said_so_or_the_port_is_closed() -> None:
    assert token_of(settings(metrics_listen="0.0.0.0", http_without_token="true")) is None
    assert token_of(settings(metrics_listen="0.0.0.0", metrics_port=0)) is None


def test_the_token_is_the_files_one_line(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert token_of(settings(metrics_listen="0.0.0.0", http_token_file=file)) == TOKEN.encode()
    assert token_of(settings(http_token_file=file, http_without_token="true")) == TOKEN.encode()


@pytest.mark.parametrize("text", ["", "short", "two words are no token", "fünfzehn-und-mehr", "a" * 16 + "\nb"])
def test_what_is_no_token_is_refused_at_the_start_without_being_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    with pytest.raises(SettingsError, match="has no token") as refused:
        token_of(settings(http_token_file=file))
    assert not text or text not in str(refused.value)


def test_a_token_file_that_is_not_there_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        token_of(settings(http_token_file=tmp_path / "none"))
