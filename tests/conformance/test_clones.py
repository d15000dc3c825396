"""The suite of copies, on every driver of this package: all can copy."""

from __future__ import annotations

from reberth.testing import CloneSuite


class TestClones(CloneSuite):
    """Each rig of the folder, one after the other."""
