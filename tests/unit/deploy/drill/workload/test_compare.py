from deploy.drill.workload.compare import compare, merge


def test_rows_of_which_the_answer_came_are_all_there_and_the_doubtful_one_may_be() -> None:
    found = compare(attempted=[1, 2, 3, 4], acknowledged=[1, 2], present=[1, 2, 4])

    assert found.clean
    assert (found.acknowledged, found.present, found.in_doubt, found.in_doubt_present) == (2, 3, 2, 1)


def test_an_acknowledged_row_that_is_absent_is_lost() -> None:
    found = compare(attempted=[1, 2, 3], acknowledged=[1, 2, 3], present=[1, 3])

    assert found.lost == (2,)
    assert not found.clean


def test_a_row_that_nobody_sent_is_invented() -> None:
    assert compare(attempted=[1], acknowledged=[1], present=[1, 7]).invented == (7,)


def test_a_row_that_is_there_twice_is_invented() -> None:
    found = compare(attempted=[1], acknowledged=[1], present=[1, 1])

    assert found.invented == (1,)
    assert not found.clean


def test_a_row_of_an_earlier_round_that_is_gone_now_counts_as_lost() -> None:
    found = merge(compare([1, 2], [1, 2], [1, 2]), [compare([1, 2, 3], [1, 2, 3], [1, 3]), compare([1], [1], [1])])

    assert found.lost == (2,)
    assert (found.acknowledged, found.present) == (2, 2)
