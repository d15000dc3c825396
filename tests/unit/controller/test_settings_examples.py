"""The examples that users start from are what the program reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.settings import read
from drivers.libvirt.settings import Settings as LibvirtSettings
from drivers.vsphere.settings import Settings as VsphereSettings

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
EXAMPLES = sorted((DEPLOY / "examples").glob("*.toml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_of_the_settings_has_no_unknown_key(path: Path) -> None:
    """The controller reads each example as it is; a key that was renamed would be an error for every user."""
    settings = read({"REBERTH_CONFIG": str(path)})

    assert settings.storage.driver in {"lab", "libvirt", "vsphere"}
    if settings.storage.driver == "vsphere":
        assert VsphereSettings.parse(settings.storage.own()).password_file == "/run/secrets/storage"
    if settings.storage.driver == "libvirt":
        assert LibvirtSettings.parse(settings.storage.own()).pool == "reberth"
