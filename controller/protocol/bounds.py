"""What every message keeps to, and how large it may be. Pure. The decoder holds it to that before anything sees it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from controller.names import MAX_NAME

LONGEST_SENTENCE = 2000
LONGEST_ANSWER = 8 * LONGEST_SENTENCE  # a controller's: it may quote several
MOST_VOLUMES = 4096  # of one node: some hundred disks are the most that a VM can have
MOST_NAMES = 10_000  # of a swarm's volumes, told to every node
MOST_USERS = 1024  # containers on one volume
MOST_OPTIONS = 32
LONGEST_WORD = 256

Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]  # serials and epochs: what Swarm's JSON and every reader can keep
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Seconds = Annotated[float, Meta(ge=0.0, le=3600.0)]
Time = Annotated[float, Meta(ge=0.0, le=2.0**53)]  # unix seconds
Name = Annotated[str, Meta(max_length=MAX_NAME)]  # of a volume
Asked = Annotated[str, Meta(max_length=4096)]  # a name as a user wrote it: what is wrong with it is told by naming.py
Identifier = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9._-]{1,64}\Z")]  # a VM's UUID, a boot, a task, a node
Host = Annotated[str, Meta(max_length=253)]
Word = Annotated[str, Meta(max_length=LONGEST_WORD)]
Sentence = Annotated[str, Meta(max_length=LONGEST_SENTENCE)]
Answer = Annotated[str, Meta(max_length=LONGEST_ANSWER)]


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All messages refuse fields that they do not know: two versions that differ find out at once."""


def shortened(text: str, longest: int = LONGEST_SENTENCE) -> str:
    """A text that is sent: its end is cut off where it would be refused for its length."""
    return text if len(text) <= longest else text[: longest - 4] + " ..."
