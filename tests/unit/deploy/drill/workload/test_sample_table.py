"""The table "user" after a drill."""

from __future__ import annotations

from deploy.drill.workload.sample_table import ROWS, judge


def test_the_table_is_as_it_was_only_with_the_rows_it_began_with() -> None:
    assert judge((0, "\n".join(ROWS) + "\n", "")) == ()
    assert judge((0, "1|Ada\n", "")) == ('the table "user" has other rows than before: 1|Ada',)
    assert judge((1, "", "no such table")) == ('the table "user" cannot be read: no such table',)
