"""What of an answer is decoded again: pure."""

from __future__ import annotations

import re

import pytest

from drivers.shared.faults import Doubt
from drivers.vsphere.client.decode_cache import Sieve


def page(*objects: str, token: str = "") -> bytes:
    told = "".join(f"<objects><obj>{each}</obj></objects>" for each in objects)
    return f"<Body><returnval>{token}{told}</returnval></Body>".encode()


def look(sieve: Sieve[str], *pages: bytes) -> tuple[tuple[str, ...], list[str]]:
    """What the look has found, and what of it was decoded."""
    sifting, decoded = sieve.look(), []
    for each in pages:
        for name in re.findall(r"<obj>(.*?)</obj>", sifting.shorten(each).decode()):
            decoded.append(name)
            sifting.add(name.upper())
    return sieve.keep(sifting), decoded


def test_a_first_look_decodes_everything() -> None:
    assert look(Sieve(), page("a", "b")) == (("A", "B"), ["a", "b"])


def test_only_what_changed_is_decoded_and_all_is_found_in_order() -> None:
    sieve: Sieve[str] = Sieve()
    look(sieve, page("a", "b", "c"))

    assert look(sieve, page("a", "b2", "c")) == (("A", "B2", "C"), ["b2"])
    assert look(sieve, page("a", "b2", "c")) == (("A", "B2", "C"), [])


def test_what_is_gone_is_not_found_and_what_comes_back_is_decoded_again() -> None:
    sieve: Sieve[str] = Sieve()
    look(sieve, page("a", "b"))

    assert look(sieve, page("a")) == (("A",), [])
    assert look(sieve, page("b", "a")) == (("B", "A"), ["b"])


def test_pages_are_one_look() -> None:
    sieve: Sieve[str] = Sieve()
    pages = (page("a", token="<token>1</token>"), page("b"))
    look(sieve, *pages)

    assert look(sieve, *pages) == (("A", "B"), [])


def test_an_answer_in_another_spelling_is_decoded_whole_each_time() -> None:
    """A server that writes its XML with a prefix costs more time, and is understood."""
    sieve: Sieve[str] = Sieve()
    spelled = page("a", "b").replace(b"<objects>", b"<v:objects>").replace(b"</objects>", b"</v:objects>")

    assert look(sieve, spelled) == (("A", "B"), ["a", "b"])
    assert look(sieve, spelled) == (("A", "B"), ["a", "b"])


def test_everything_around_the_objects_is_left_as_it_is() -> None:
    sieve: Sieve[str] = Sieve()
    look(sieve, page("a", token="<token>1</token>"))

    assert sieve.look().shorten(page("a", token="<token>1</token>")) == page(token="<token>1</token>")
    fault = b"<Body><Fault>no objects here</Fault></Body>"
    assert sieve.look().shorten(fault) == fault


def test_a_look_that_failed_leaves_what_was_known() -> None:
    sieve: Sieve[str] = Sieve()
    look(sieve, page("a"))
    sieve.look().shorten(page("b"))

    assert look(sieve, page("a")) == (("A",), [])


def test_an_answer_that_does_not_fit_its_text_is_in_doubt() -> None:
    sieve: Sieve[str] = Sieve()
    sifting = sieve.look()
    sifting.shorten(page("a", "b"))
    sifting.add("only one")

    with pytest.raises(Doubt, match="other objects than its text"):
        sieve.keep(sifting)
    with pytest.raises(Doubt, match="no beginning"):
        sieve.look().shorten(b"text</objects>")
