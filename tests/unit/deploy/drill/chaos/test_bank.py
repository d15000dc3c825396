"""Whether the bank's sums agree."""

from __future__ import annotations

import pytest

from deploy.drill.chaos.bank import judge

WELL = {"account": 70, "teller": 70, "branch": 70}


def test_equal_sums_are_well_also_with_transactions_whose_answer_never_came() -> None:
    assert list(judge(moved=12, history=70, sums=WELL, acknowledged=12)) == []
    assert list(judge(moved=14, history=70, sums=WELL, acknowledged=12)) == []


@pytest.mark.parametrize("table", WELL)
def test_a_transaction_that_is_there_in_part_is_said(table: str) -> None:
    (found,) = judge(moved=12, history=70, sums={**WELL, table: 50}, acknowledged=12)
    assert found == f"the bank's {table} sum is 50, its history says 70"


def test_acknowledged_transactions_that_are_gone_are_counted() -> None:
    assert list(judge(moved=9, history=70, sums=WELL, acknowledged=12)) == [
        "3 acknowledged transactions of the bank are lost"
    ]
