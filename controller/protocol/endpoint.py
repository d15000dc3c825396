"""One thing that can be asked of a controller, as both ends of the wire know it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

import msgspec

from controller.protocol.answers import Status

Asked = TypeVar("Asked", bound=msgspec.Struct)
Answer = TypeVar("Answer", bound=msgspec.Struct)


class Access(Enum):
    """Who may ask. That a node asks only about itself is seen to by what answers."""

    NODE = "node"  # any node that is in Swarm's list now, also one that Swarm thinks dead: it reports
    CHANGE = "change"  # one that Swarm does not think dead; what it may change is seen to by what answers
    MANAGER = "manager"  # such a one that is a manager: people ask through it


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[Asked, Answer]):
    """
    ``POST path`` with a ``request``. ``answers``: what it says when it is done (200), or not yet (202).

    Everything else is a `Problem`, or 421 with a `Redirect` to the controller that acts.
    """

    path: str
    request: type[Asked]
    answers: Mapping[Status, type[Answer]]
    access: Access = Access.NODE


def done(answer: type[Answer]) -> Mapping[Status, type[Answer]]:
    return {Status.DONE: answer}
