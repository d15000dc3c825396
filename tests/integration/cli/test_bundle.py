"""`reberth support-bundle` as a person starts it: what the controller says, and no secret, wherever it turned up."""

from __future__ import annotations

import tarfile
from pathlib import Path

import msgspec

from tests.support.api_site import site
from tests.support.certificates import SwarmCa
from tests.support.terminal import reberth

SETTINGS = """
metrics_listen = "127.0.0.1"
[storage]
driver = "vsphere"
[storage.vsphere]
password_file = "{password}"
password = "pasted by mistake"
url = "https://anna:hunter22@vcenter.example"
"""


def unpacked(bundle: Path) -> dict[str, str]:
    with tarfile.open(bundle) as tar:
        return {
            each.name.partition("/")[2]: member.read().decode()
            for each in tar.getmembers()
            if (member := tar.extractfile(each)) is not None
        }


async def test_a_bundle_has_all_that_is_known_and_none_of_the_secrets(ca: SwarmCa, tmp_path: Path) -> None:
    secret = tmp_path / "password.txt"
    secret.write_text("correct horse\n")
    config = tmp_path / "reberth.toml"
    config.write_text(SETTINGS.format(password=secret))
    bundle = tmp_path / "bundle.tar.gz"
    async with site(ca, tmp_path) as place:
        await place.granted()
        reason = ("pause", "--reason", "the password is correct horse")
        assert (await reberth(place.door, *reason)).returncode == 0
        place.lead.paused = "the password is correct horse"
        words = ("support-bundle", str(bundle))
        made = await reberth(place.door, *words, REBERTH_CONFIG=str(config), REBERTH_STORAGE_VSPHERE_TOKEN="tok-12345")
        assert made.returncode == 0, made.stderr
    files = unpacked(bundle)
    assert {"versions.json", "status.json", "doctor.json", "upgrade.json", "history.json", "plan.json"} <= set(files)
    assert "volumes/0000.json" in files
    assert msgspec.json.decode(files["status.json"])["volumes"][0]["volume"] == "data"
    assert msgspec.json.decode(files["settings.json"])["file"]["metrics_listen"] == "127.0.0.1"
    assert str(secret) in files["settings.json"]
    key = (ca.folder / "a" / "swarm-node.key").read_text().splitlines()[1]
    for each in ("correct horse", "hunter22", "pasted by mistake", "tok-12345", key):
        assert [name for name, text in files.items() if each in text] == [], each
    assert bundle.stat().st_mode & 0o777 == 0o600


async def test_without_a_controller_it_holds_the_reason_and_the_settings(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.tar.gz"
    assert (await reberth(tmp_path / "no.sock", "support-bundle", str(bundle))).returncode == 0
    files = unpacked(bundle)
    assert "there is no controller" in files["status.json"]
    assert "LOGS.txt" in files
