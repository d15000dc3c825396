"""
Swarm's templates in mount sources and volume options, expanded as a node's engine does. Pure.

``/tasks`` shows them unexpanded, the gate sees them expanded. The fields and their values follow swarmkit's
``template/context.go``; what it could do beyond them (functions, pipelines, trimming) is not guessed at: that is
`Unexpandable`, with the cure, because a wrong guess would be another volume's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_ACTION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_LABEL_FIELD = re.compile(r"\.Service\.Labels\.(\w+)")
_LABEL_INDEX = re.compile(r'index\s+\.Service\.Labels\s+(?:"([^"\\]*)"|`([^`]*)`)')
_VARYING = (".Task.", ".Node.")
_OF_ONE_TASK = (".Task.ID", ".Task.Name")


@dataclass(frozen=True, slots=True)
class Context:
    """
    What one task's templates may speak of. ``slot``: 0 for a task of a global service.

    ``node`` and ``hostname`` are empty while the task is not assigned.
    """

    service_id: str
    service_name: str
    task_id: str
    slot: int
    node: str = ""
    hostname: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def slot_text(self) -> str:
        """Of a global service's task it is the node ID, as in swarmkit."""
        return str(self.slot) if self.slot else self.node


@dataclass(frozen=True, slots=True)
class Unexpandable:
    """The engine would expand this in a way that cannot be foretold here; ``why`` names the cure."""

    why: str


@dataclass(frozen=True, slots=True)
class Unassigned:
    """The text depends on the node, and the task has none yet."""


Expanded = str | Unexpandable | Unassigned


def varies(text: str) -> bool:
    """Whether tasks of one service can get different texts."""
    return _speaks_of(text, *_VARYING)


def of_one_task(text: str) -> bool:
    """Whether each new task gets another text, also one that takes an earlier one's place."""
    return _speaks_of(text, *_OF_ONE_TASK)


def of_slot(text: str) -> bool:
    return _speaks_of(text, ".Task.Slot")


def _speaks_of(text: str, *parts: str) -> bool:
    return any(part in action for action in _ACTION.findall(text) for part in parts)


def expand(text: str, context: Context) -> Expanded:
    """The text as the engine of the task's node makes it."""
    if "{{" not in text:
        return text
    parts: list[str] = []
    end = 0
    for match in _ACTION.finditer(text):
        value = _value(match[1].strip(), context)
        if not isinstance(value, str):
            return value
        parts += [text[end : match.start()], value]
        end = match.end()
    rest = text[end:]
    if "{{" in rest:
        return Unexpandable(f"the template {text!r} has '{{{{' without '}}}}': close it in the stack file")
    return "".join(parts) + rest


def _value(action: str, context: Context) -> Expanded:
    fields = _fields(context)
    if action in fields:
        value = fields[action]
        return value if value or not _of_node(action, context) else Unassigned()
    label = _LABEL_FIELD.fullmatch(action) or _LABEL_INDEX.fullmatch(action)
    if label is None:
        return Unexpandable(
            f"the template {{{{{action}}}}} is not supported in a volume's name or options: use "
            f"{', '.join(sorted(fields.keys() - set(_OF_ONE_TASK)))} or .Service.Labels.NAME"
        )
    key = next(group for group in label.groups() if group is not None)
    if key not in context.labels:
        return Unexpandable(
            f"service {context.service_name} has no label {key!r} for the template {{{{{action}}}}}: add it under "
            "deploy.labels in the stack file"
        )
    return context.labels[key]


def _of_node(action: str, context: Context) -> bool:
    return not context.node and (action.startswith(".Node.") or context.slot == 0)


def _fields(context: Context) -> Mapping[str, str]:
    named = context.slot or context.node
    return {
        ".Service.ID": context.service_id,
        ".Service.Name": context.service_name,
        ".Node.ID": context.node,
        ".Node.Hostname": context.hostname,
        ".Task.ID": context.task_id,
        # swarmkit's api/naming: service.slot.id, for a global service service.node.id
        ".Task.Name": f"{context.service_name}.{context.slot_text}.{context.task_id}" if named else "",
        ".Task.Slot": context.slot_text,
    }
