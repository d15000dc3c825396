"""What `reberth import` is given."""

from __future__ import annotations

import pytest

from controller.cli.client import Unanswered
from controller.cli.commands.backup import backup


def test_what_export_wrote_is_read() -> None:
    text = b'{"epoch": 7, "at": 1.5, "records": [{"facts": "a", "state": "b"}], "missing": [], "backup": 1}'

    found = backup(text)
    assert (found.epoch, found.records[0].facts) == (7, "a")


@pytest.mark.parametrize("text", [b"", b"[]", b'{"epoch": -1, "at": 0, "records": []}', b"\x00", b'{"epoch": 1}'])
def test_anything_else_is_refused_with_what_to_type(text: bytes) -> None:
    with pytest.raises(Unanswered, match=r"no backup .*\n  docker exec -i CONTAINER reberth import <"):
        backup(text)


def test_a_backup_of_a_later_form_is_refused() -> None:
    with pytest.raises(Unanswered, match="form 2, this version knows 1"):
        backup(b'{"epoch": 7, "at": 1.5, "records": [], "backup": 2}')
