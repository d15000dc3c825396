"""What did not change is not worked out anew, and what did is."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.json_errors import NOT_JSON
from controller.unchanged import Each, Items, Once, Remembered


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


OBJECTS = st.dictionaries(st.sampled_from('ab{[,"é'), st.sampled_from(["", "x", "],[", '"},{"', 1, None]), max_size=2)
LISTS = st.lists(OBJECTS, max_size=8)
TEXTS = st.tuples(LISTS, st.sampled_from([None, 1]), st.sampled_from(["", "\n", " "]))


def _text(found: tuple[list[dict[str, object]], int | None, str]) -> bytes:
    items, indent, end = found
    spaced = None if indent is not None else (",", ":")
    return (json.dumps(items, indent=indent, separators=spaced, ensure_ascii=False) + end).encode()


@given(st.lists(TEXTS, max_size=6))
def test_a_list_read_by_what_changed_is_the_list_read_whole(answers: list[Any]) -> None:
    read = Items(msgspec.json.decode)

    for answer in answers:
        assert list(read(_text(answer))) == answer[0]


@given(st.lists(st.integers(0, 9), min_size=1, unique=True), st.data())
def test_an_item_that_is_among_those_of_the_last_answer_is_the_very_same_object(numbers: list[int], data: Any) -> None:
    read = Items(msgspec.json.decode)
    before = {each["n"]: each for each in read(_text(([{"n": each} for each in numbers], None, "")))}
    changed = data.draw(st.lists(st.sampled_from([*numbers, 10, 11]), unique=True))
    after = read(_text(([{"n": each} for each in changed], None, "\n")))

    assert [each["n"] for each in after] == changed
    assert all(each is before[each["n"]] for each in after if each["n"] in before)


@given(LISTS, LISTS, st.integers(0, 99), st.integers(0, 9))
def test_what_is_no_list_is_refused_whatever_was_read_before(
    before: list[Any], after: list[Any], at: int, cut: int
) -> None:
    read, text = Items(msgspec.json.decode), _text((after, None, ""))
    read(_text((before, None, "")))
    broken = text[: at % len(text)] + text[at % len(text) + cut :]
    try:
        whole = msgspec.json.decode(broken, type=list[dict[str, object]])
    except NOT_JSON:
        with pytest.raises(NOT_JSON):
            read(broken)
    else:
        assert list(read(broken)) == whole


def test_of_a_list_that_changed_in_one_place_only_that_is_read() -> None:
    asked: list[bytes] = []

    def note(item: bytes) -> bytes:
        asked.append(item)
        return item

    read = Items(note)
    read(b'[{"a":1},{"b":2},{"c":3},{"d":4}]')
    asked.clear()

    assert read(b'[{"a":1},{"b":25},{"n":0},{"d":4}]') == (b'{"a":1}', b'{"b":25}', b'{"n":0}', b'{"d":4}')
    assert asked == [b'{"b":25}', b'{"n":0}']
