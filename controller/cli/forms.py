"""The forms in which an answer is printed: for people, or as JSON or YAML for programs. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from enum import Enum

import msgspec

# What YAML does not take as it is, also in quotes: control characters, line ends of Unicode, halves of a pair.
_UNPRINTABLE = re.compile("[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


class Form(Enum):
    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"

    @property
    def drawn(self) -> bool:
        """For a person."""
        return self in {Form.TABLE, Form.WIDE}


def written(found: object, form: Form) -> str:
    """An answer as JSON or YAML, with the same fields."""
    if form is Form.YAML:
        return "\n".join(_yaml(msgspec.to_builtins(found))) + "\n"
    return msgspec.json.format(msgspec.json.encode(found)).decode() + "\n"


def _yaml(value: object) -> Iterator[str]:
    """Lines. Its strings are in JSON's quotes, which YAML reads alike: nothing is taken for a number or a date."""
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from _under(f"{_scalar(str(key))}:", each)
    elif isinstance(value, list | tuple) and value:
        for each in value:
            first, *more = _yaml(each)
            yield f"- {first}"
            yield from (f"  {line}" for line in more)
    else:
        yield _scalar(value)


def _under(key: str, value: object) -> Iterator[str]:
    lines = list(_yaml(value))
    if isinstance(value, Mapping | list | tuple) and value:
        yield key
        yield from (f"  {line}" for line in lines)
    else:
        yield f"{key} {lines[0]}"


def _scalar(value: object) -> str:
    if isinstance(value, str) and re.fullmatch(r"[a-z]+(_[a-z]+)+", value):
        return value  # the names of our own fields; no word of YAML has such a form
    if isinstance(value, float):
        text = repr(value)
        return text if "e" not in text or "." in text else text.replace("e", ".0e")
    text = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: _escaped(found[0]), text)


def _escaped(character: str) -> str:
    return f"\\u{ord(character):04x}"
