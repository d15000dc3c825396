"""libvirt's Python binding, found where the distribution puts it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from drivers.libvirt.client.binding import _load


def test_a_missing_binding_is_an_error_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(ImportError, match="apt-get install python3-libvirt"):
        _load("libvirtmod_of_nobody", [str(tmp_path)])


def test_only_the_module_asked_for_is_taken_from_the_distribution(tmp_path: Path) -> None:
    (tmp_path / "taken_for_reberth.py").write_text("value = 7")
    before = list(sys.path)
    assert _load("taken_for_reberth", [str(tmp_path)]).value == 7
    assert sys.path == before
    del sys.modules["taken_for_reberth"]
