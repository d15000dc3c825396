"""What a node service says several times a minute, for `detect = "gate"`. Pure."""

from __future__ import annotations

from controller.protocol.bounds import Identifier, Message, Seconds


class Beat(Message, frozen=True):
    """From the node service: this node lives. A second voice beside the gate's, which knows nothing of it."""

    vm: Identifier
    boot: Identifier


class Pace(Message, frozen=True):
    """In how many seconds the next beat is wanted; 0: none is for now, ask again in a minute."""

    every: Seconds = 0.0
