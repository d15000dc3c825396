"""What did not change is not worked out anew, and what did is."""

from __future__ import annotations

import pytest

from controller.unchanged import Each, Once, Remembered


def test_an_answer_is_kept_while_all_that_it_was_made_of_are_the_very_same_objects() -> None:
    made: list[tuple[object, ...]] = []

    def join(one: list[int], other: list[int]) -> list[int]:
        made.append((one, other))
        return one + other

    once, a, b = Once(join), [1], [2]

    first = once(a, b)

    assert once(a, b) is first
    assert once(a, [2]) == first
    assert once([0], b) == [0, 2]
    assert once(a, b) == [1, 2]
    assert len(made) == 4  # equal is not enough, and only the last one is kept


def test_what_is_given_by_its_name_is_worked_out_each_time() -> None:
    once = Once(lambda value: [value])
    assert once("a") is once("a")
    assert once(value="a") is not once(value="a")


def test_nothing_is_kept_of_a_failure() -> None:
    fails = [True, False]

    def tried(value: str) -> str:
        if fails.pop(0):
            raise ValueError(value)
        return value

    once = Once(tried)
    with pytest.raises(ValueError, match="a"):
        once("a")
    assert once("a") == "a"


def test_only_an_answer_that_changed_is_read_again() -> None:
    answers: list[bytes] = []

    def note(answer: bytes) -> str:
        answers.append(answer)
        return answer.decode()

    read = Remembered(note)

    assert [read(b"a"), read(b"a"), read(b"b"), read(b"a")] == ["a", "a", "b", "a"]
    assert answers == [b"a", b"b", b"a"]


def test_the_answer_for_each_key_is_kept_while_all_values_are_equal() -> None:
    made: list[object] = []

    def note(value: list[int]) -> list[int]:
        made.append(value)
        return [*value]

    each = Each(note)
    first, other = each("a", [1]), each("b", [2])
    each.turn()

    assert (each("a", [1]), each("b", [3])) == ([1], [3])
    assert made == [[1], [2], [3]]
    assert each("a", [1]) is first
    assert each("b", [3]) is not other


def test_what_nobody_asked_for_in_a_turn_is_forgotten() -> None:
    each = Each(lambda value: [value])
    first = each("a", 1)
    each.turn()
    each.turn()

    assert each("a", 1) is not first
