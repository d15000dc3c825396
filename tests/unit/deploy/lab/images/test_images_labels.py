"""The image says what it is: a registry or a scanner shows it without starting it."""

from __future__ import annotations

import re
import tomllib

from deploy.lab.images.images import DOCKERFILE
from tests.references import ROOT

TEXT = (ROOT / DOCKERFILE).read_text()
LABELS = dict(re.findall(r'org\.opencontainers\.image\.([a-z]+)="([^"]*)"', TEXT))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_image_names_its_title_licence_version_revision_and_source() -> None:
    assert LABELS.keys() == {"title", "description", "licenses", "version", "revision", "source"}
    assert (LABELS["title"], LABELS["licenses"]) == (PROJECT["name"], PROJECT["license"])
    assert [LABELS[each] for each in ("version", "revision", "source")] == ["${VERSION}", "${REVISION}", "${SOURCE}"]


def test_the_version_on_the_image_is_the_projects() -> None:
    assert re.findall(r"^ARG VERSION=(.*)$", TEXT, re.MULTILINE) == [PROJECT["version"]]
