"""What a control group's files get, under both versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.drill.chaos.faults.memory import LEAST, limits

GIB = 2**30


@pytest.mark.parametrize(
    ("limit", "used", "none"),
    [("memory.limit_in_bytes", "memory.usage_in_bytes", "-1"), ("memory.max", "memory.current", "max")],
)
def test_a_group_gets_less_than_it_uses_and_then_as_much_as_it_wants(
    tmp_path: Path, limit: str, used: str, none: str
) -> None:
    (tmp_path / limit).touch()
    (tmp_path / used).write_text(f"{GIB}\n")

    assert limits(tmp_path) == [(tmp_path / limit, str(int(GIB * 0.85)))]
    assert limits(tmp_path, none=True) == [(tmp_path / limit, none)]


def test_nothing_so_small_that_an_engine_cannot_live_and_nothing_where_memory_is_not_counted(tmp_path: Path) -> None:
    assert limits(tmp_path) == []
    (tmp_path / "memory.max").touch()
    (tmp_path / "memory.current").write_text("4096")

    assert limits(tmp_path) == [(tmp_path / "memory.max", str(LEAST))]
