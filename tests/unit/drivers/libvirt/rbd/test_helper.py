"""The helper process where there is no Ceph; with one it is tested in tests/storage."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from drivers.libvirt.rbd import helper
from drivers.libvirt.rbd.helper import Images, Refusal, answer
from drivers.shared.faults import NotSent
from drivers.shared.helper import Helper


@dataclass
class Cluster:
    """Answers commands as Ceph's monitors do: a negative errno, what it is about, a sentence."""

    code: int
    asked: list[dict[str, object]] = field(default_factory=list)

    def mon_command(self, command: str, given: bytes) -> tuple[int, bytes, str]:
        self.asked.append(json.loads(command))
        return self.code, b"[][]", "" if self.code == 0 else "access denied"


class BoundError(Exception):
    """As those of the bindings."""

    errno = 2


def asked(cluster: Cluster, **question: object) -> dict[str, object]:
    return dict(answer(Images(cluster, None, None), json.dumps(question), (BoundError, Refusal)))


async def test_without_the_bindings_it_says_what_to_install(tmp_path: Path) -> None:
    """Python alone, without the packages of any installation."""
    one = Helper("the helper", (sys.executable, "-ISB", str(helper.__file__), "{}"), 1)
    with pytest.raises(NotSent, match="apt-get install python3-rbd python3-rados"):
        await one.ask({"ask": "images"}, 30)
    await one.close()


def test_an_answer_has_the_number_of_its_question() -> None:
    assert asked(Cluster(0), number=7, ask="blocklist") == {"number": 7, "answer": "[][]"}


def test_a_refused_command_is_told_with_its_number_and_reason() -> None:
    found = asked(Cluster(-13), number=8, ask="unblock", address="127.0.0.1:0/1")
    assert found == {"number": 8, "errno": 13, "why": "access denied"}


def test_a_fence_is_asked_for_with_its_end() -> None:
    """Without one it would last an hour."""
    cluster = Cluster(0)
    asked(cluster, number=1, ask="block", address="127.0.0.1:0/1", seconds=1_000_000_000)
    assert cluster.asked == [
        {"prefix": "osd blocklist", "blocklistop": "add", "addr": "127.0.0.1:0/1", "expire": 1_000_000_000.0}
    ]


def test_what_is_no_question_is_no_answer_either() -> None:
    """It would be one of Ceph's: the process ends instead."""
    with pytest.raises(AttributeError):
        asked(Cluster(0), number=1, ask="nothing")
