"""Each string, number and list in a message has a bound, and what is sent is cut to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from controller.protocol import messages, operator
from controller.protocol.endpoints import ENDPOINTS
from controller.protocol.messages import VolumeReport


def unbounded(kind: Any, where: str) -> Iterator[str]:
    """Where in a message a peer may say as much as it likes."""
    match kind:
        case inspect.StructType(fields=fields):
            for field in fields:
                yield from unbounded(field.type, f"{where}.{field.name}")
        case inspect.StrType(max_length=None, pattern=None) | inspect.IntType(le=None) | inspect.FloatType(le=None):
            yield where
        case inspect.VarTupleType(item_type=item, max_length=most):
            yield from [where] if most is None else unbounded(item, f"{where}[]")
        case inspect.DictType(key_type=key, value_type=value, max_length=most):
            yield from [where] if most is None else [*unbounded(key, where), *unbounded(value, where)]
        case inspect.UnionType(types=types):
            for each in types:
                yield from unbounded(each, where)
        case _:
            pass


@pytest.mark.parametrize("request_", sorted({each.request for each in ENDPOINTS}, key=str))
def test_nothing_in_a_request_is_unbounded(request_: type[msgspec.Struct]) -> None:
    assert list(unbounded(inspect.type_info(request_), request_.__name__)) == []


def test_a_negative_number_or_one_beyond_63_bits_is_refused() -> None:
    for serial in (-1, 2**63):
        report = {"name": "data", "state": "mounted", "serial": serial}
        with pytest.raises(msgspec.ValidationError, match="serial"):
            msgspec.convert(report, VolumeReport)


def test_messages_refuse_fields_that_they_do_not_know() -> None:
    for kind in (messages.Sync, operator.Confirm):
        with pytest.raises(msgspec.ValidationError, match="unknown field"):
            msgspec.json.decode(b'{"new": 1}', type=kind)
