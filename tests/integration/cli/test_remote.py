"""Commands from afar, as a person on a workstation starts them: over real TLS, with what `deploy/operators.sh` made."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.api_site import Site
from tests.support.operators import People, Port
from tests.support.terminal import reberth

NO_DOOR = Path("/nowhere/door.sock")


async def test_a_command_asks_a_manager_by_flags_as_by_variables(people: People, port: Port) -> None:
    alice = people.folder / "alice"
    flags = ("--tlscacert", alice / "ca.pem", "--tlscert", alice / "cert.pem", "--tlskey", alice / "key.pem")
    by_flags = await reberth(NO_DOOR, "-H", f"tcp://127.0.0.1:{port.number}", *map(str, flags), "status", "--json")
    by_variables = await reberth(NO_DOOR, "status", "--json", **port.environment(alice))
    for told in (by_flags, by_variables):
        assert [each["volume"] for each in json.loads(told.stdout)["volumes"]] == ["data"], told.stderr


async def test_who_may_only_look_is_told_so_and_who_may_act_is_named(people: People, place: Site, port: Port) -> None:
    words = ("pause", "--reason", "new switches")
    looking = await reberth(NO_DOOR, *words, **port.environment(people.folder / "bob"))
    assert (looking.returncode, "is for looking only" in looking.stderr) == (1, True), looking
    assert place.lead.paused is None
    acting = await reberth(NO_DOOR, *words, **port.environment(people.folder / "alice"))
    assert (acting.returncode, "says alice (certificate)" in acting.stdout) == (0, True), acting
