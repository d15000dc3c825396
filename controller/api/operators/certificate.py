"""Who a person is: what a verified certificate of the operators' CA says."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from controller.protocol.identity import IdentityError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._ -]{0,62}[A-Za-z0-9]")  # it goes into histories and logs


class Role(Enum):
    """The OU of a person's certificate."""

    VIEWER = "reberth-viewer"
    OPERATOR = "reberth-operator"


@dataclass(frozen=True, slots=True)
class Operator:
    """``expires``: seconds since the epoch."""

    name: str
    role: Role
    expires: float

    @property
    def signature(self) -> str:
        """What histories call them: whoever is root on a manager may say any name, and no such."""
        return f"{self.name} (certificate)"


def operator_of(certificate: Mapping[str, Any] | None) -> Operator:
    """``certificate``: as `ssl` tells of a verified one. Raises IdentityError."""
    if not certificate:
        raise IdentityError("no certificate was shown")
    units, names = _said(certificate, "organizationalUnitName"), _said(certificate, "commonName")
    role = next((each for each in Role if units == [each.value]), None)
    if role is None:
        raise IdentityError(
            f"the certificate says OU={', '.join(units)!r}: people have {Role.VIEWER.value} or {Role.OPERATOR.value}"
        )
    if len(names) != 1 or not _NAME.fullmatch(names[0]):
        raise IdentityError(
            f"the certificate says CN={', '.join(names)!r}: it has to name one person, in plain letters"
        )
    return Operator(names[0], role, ssl.cert_time_to_seconds(certificate["notAfter"]))


def _said(certificate: Mapping[str, Any], field: str) -> list[str]:
    return [value for part in certificate.get("subject", ()) for key, value in part if key == field]
