"""A trace as a story that a person can read: one line for each event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sim.state import State

if TYPE_CHECKING:
    from tests.sim.cluster import Cluster
    from tests.sim.faults import Event

WORDS = {
    "crash": "VM {n} loses power",
    "boot": "VM {n} boots again",
    "cut": "VM {n} loses its way to Swarm and the controllers, and runs on",
    "mend": "VM {n} has its network back",
    "hide": "the hypervisor loses the host of VM {n}: power unknown",
    "show": "the hypervisor sees the host of VM {n} again",
    "miss": "our own detector says that node {n} is silent",
    "hear": "our own detector says that node {n} is heard",
    "age": "Swarm has called node {n} down for long",
    "blind": "the storage cannot be read any more",
    "sight": "the storage can be read again",
    "drain": "node {n} is drained",
    "undrain": "node {n} takes tasks again",
    "notice": "Swarm changes its mind about node {n}",
    "move": "Swarm wants the task on node {n}",
    "remove": "nobody wants the volume any more",
    "join": "one more task on node {n} wants the volume",
    "leave": "one of the tasks on node {n} is not wanted any more",
    "again": "the containers on VM {n} end, and Docker mounts for the same task again",
    "restart": "the container on VM {n} ends, and Swarm makes a new task there",
    "replace": "Swarm makes a new task on node {n}, where the last one's container may still run",
    "forget": "the gate on VM {n} starts again, and has lost its state",
    "run": "Swarm hears that the tasks on node {n} run",
    "end": "the containers of the tasks on node {n} end",
    "rejoin": "the node of VM {n} leaves the swarm and joins it again",
    "rm": "a person removes the volume",
    "make": "a person makes the volume anew",
    "order back": "a person orders that the volume be restored from a snapshot",
    "exchange": "the volume has the restored disk",
    "spend": "a permission for the removed volume reaches the gate on VM {n}, which finds no such disk",
    "back up": "a backup of Swarm is made",
    "restore": "Swarm is restored from the backup, and all controllers start again",
    "elect": "controller {n} takes the next epoch; the other one does not know yet",
    "doubt": "controller {n} gives up waiting: its call is in doubt",
    "vanish": "a call in doubt is lost for ever",
    "confirm": "a person confirms that VM {n} is dead",
    "mount": "the gate on VM {n} mounts",
    "fade": "the gate on VM {n} was not heard for long",
    "save": "VM {n} is saved with its memory",
    "wake": "VM {n} is resumed, and goes on where it was",
    "lie": "the gate on VM {n} begins to say that nothing is mounted",
    "pause": "a person pauses Reberth",
    "resume": "a person ends the pause",
    "rest": "a person pauses node {n} (-1: the volume)",
    "wake up": "a person ends the pause of node {n} (-1: of the volume)",
    "mislay": "the storage lists the disk nowhere, though it is where it was",
    "found": "the storage lists the disk again",
    "stray": "the storage moves the disk to another file under its VM, and leaves the old one",
    "return": "a person copies the disk back to its file",
    "pull": "a person pulls the disk from VM {n} by hand",
    "share": "a person gives the disk to VM {n} by hand, too",
    "clean": "the gate on VM {n} cleans up after its disk",
    "stop": "the old container on VM {n} ends and its gate unmounts",
    "order": "the gate on VM {n} is told to release",
    "sync": "the acting controller hears the gate on VM {n}",
    "land": "the storage meets a call",
    "label": "Swarm is told that node {n} is dead",
    "unlabel": "Swarm is told that node {n} lives",
    "stick": "a person puts the label of the dead on node {n}",
    "write": "controller {n} writes its decision to the record",
}


def tell(cluster: Cluster, steps: list[Event], end: State, wrong: str) -> str:
    lines = [f"{i:3}. {_line(what, who, after)}" for i, (what, who, after) in enumerate(steps, 1)]
    return "\n".join(["", *lines, f"     => {wrong}", "", f"     {_picture(end)}"])


def _line(what: str, who: int, after: State) -> str:
    if what == "decide":
        action = after.leaders[who].pending
        detail = f" {getattr(action, 'vm', '')}".rstrip()
        return f"controller {who} (epoch {after.leaders[who].epoch}) decides: {type(action).__name__}{detail}"
    text = WORDS[what].format(n=who)
    if what in {"write", "land", "vanish", "doubt"} and after.calls:
        text += "; under way: " + ", ".join(f"{c.op} disk {c.disk} VM {c.vm} (epoch {c.epoch})" for c in after.calls)
    if what in {"write", "land"}:
        text += f"  [disk on {[i for i in range(len(after.vms)) if after.disk >> i & 1]}]"
    return text


def _picture(s: State) -> str:
    vms = "; ".join(
        f"VM {i} {'on' if v.on else 'off'} boot {v.boot} {v.mount.name} {sorted(v.boxes)} floor {v.floor} "
         f"stamp {v.stamp}" + (" cut" if v.cut else "") + (" down" if v.down else "")
        for i, v in enumerate(s.vms)
    )  # fmt: skip
    return f"at the end: {vms}; claim {s.claim}; {s.record}; calls {list(s.calls)}; epoch {s.epoch}"
