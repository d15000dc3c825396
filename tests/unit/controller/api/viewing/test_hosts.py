"""The node's own names and addresses are answered under; a name that a stranger can own is not."""

from __future__ import annotations

import pytest

from controller.api.viewing.hosts import trusted

OWN = frozenset({"manager1.example.net"})


@pytest.mark.parametrize(
    "host",
    [
        None,
        "127.0.0.1:7491",
        "10.0.0.5",
        "[::1]:7491",
        "[fe80::1]",
        "localhost:7491",
        "reberth.localhost",
        "manager2:7491",
        "Manager1.Example.net:7491",
        "manager1.example.net.",
    ],
)
def test_what_no_stranger_can_own_is_trusted(host: str | None) -> None:
    assert trusted(host, OWN)


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example.com",
        "attacker.example.com:7491",
        "127.0.0.1.example.com",
        "localhost.example.com",
        "manager1.example.net.evil.org",
        "notlocalhost.org:80",
    ],
)
def test_what_a_stranger_can_own_is_not(host: str) -> None:
    assert not trusted(host, OWN)
