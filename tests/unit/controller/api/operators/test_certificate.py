"""Whom a certificate names, as `ssl` tells of it."""

from __future__ import annotations

from typing import Any

import pytest

from controller.api.operators.certificate import Operator, Role, operator_of
from controller.protocol.identity import IdentityError

UNIT, NAME = "organizationalUnitName", "commonName"


def shown(*subject: tuple[str, str]) -> dict[str, Any]:
    return {"subject": tuple((each,) for each in subject), "notAfter": "Nov 27 12:00:00 2026 GMT"}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("name", ["al", "alice", "alice@example.org", "Alice B. Smith-Jones", "x" * 64])
def test_one_role_and_one_name_are_a_person(role: Role, name: str) -> None:
    assert operator_of(shown((UNIT, role.value), (NAME, name))) == Operator(name, role, 1795780800.0)


@pytest.mark.parametrize(
    "subject",
    [
        (),
        ((NAME, "alice"),),
        ((UNIT, "reberth-operator"),),
        ((UNIT, "reberth-viewer"), (UNIT, "reberth-operator"), (NAME, "alice")),
        ((UNIT, "reberth-operator"), (UNIT, "swarm-manager"), (NAME, "alice")),
        ((UNIT, "reberth-operator"), (NAME, "alice"), (NAME, "bob")),
        ((UNIT, "Reberth-Operator"), (NAME, "alice")),
        ((UNIT, "swarm-manager"), (NAME, "alice")),
        *(
            ((UNIT, "reberth-operator"), (NAME, name))
            for name in ("", "a", "a\nb", "a\n", "alice (certificate)", "<b>alice</b>", "[bold]x", "x" * 65, "älice")
        ),
    ],
)
def test_anything_else_is_nobody(subject: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(IdentityError, match="certificate says"):
        operator_of(shown(*subject))


@pytest.mark.parametrize("nothing", [None, {}])
def test_no_certificate_is_nobody(nothing: dict[str, Any] | None) -> None:
    with pytest.raises(IdentityError, match="no certificate"):
        operator_of(nothing)
