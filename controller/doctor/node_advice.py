"""What a person should set on a node so that a failover there is as quick as it can be. Pure."""

from __future__ import annotations

from controller.model import Node

MOST_TCP_RETRIES2 = 8


def advice(node: Node, tcp_retries2: int | None) -> str:
    """
    One sentence with the cure, or nothing.

    A manager sends its tasks' states to Swarm's leader on a connection without a deadline. A leader that lost its power
    closes nothing, so TCP repeats the last one: with Linux's default of 15 for 924 s or more, and nothing that happens
    to this node's tasks is known to Swarm meanwhile (seen with dockerd 20.10.24; the kernel's ip-sysctl has the sums).
    """
    if not node.manager or tcp_retries2 is None or tcp_retries2 <= MOST_TCP_RETRIES2:
        return ""
    return (
        f"net.ipv4.tcp_retries2 is {tcp_retries2} on this manager: when Swarm's leader loses its power, Swarm may not "
        "learn for many minutes what becomes of this node's tasks. Set it to 5 (docs/install.md, step 1)."
    )
