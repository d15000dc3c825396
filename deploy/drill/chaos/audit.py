"""What must be true when everything is cured: asked of the kernel, the storage, Swarm and the writers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from controller.settings import PolicySettings
from deploy.drill.chaos.bank import Bank
from deploy.drill.chaos.faults.base import of_namespaces
from deploy.drill.chaos.growth import Usage, growing, measured
from deploy.drill.chaos.writers import Writer
from deploy.drill.errors import DrillError
from deploy.drill.swarm.cluster import Trouble
from deploy.drill.swarm.scenario import Scenario
from deploy.drill.workload.client import CommitClient
from deploy.lab.kernel import loop_devices, processes
from deploy.lab.lab import Lab
from deploy.lab.names import LabError, Layout

STEP = 1.0
SETTLED = 20.0  # seconds in which what is told may be of the last look
TOLD = 8.0  # seconds between two looks at what people are told meanwhile
UNREADABLE = (DrillError, LabError, OSError, psycopg.Error, *Trouble)
RECORD = "reberth.volume."
Look = Callable[[], Iterator[str]]
DATABASE_VOLUME = "postgres-data"
VIOLATED = "law.violated"
LABEL = PolicySettings().node_label


@dataclass(slots=True)
class Auditor:
    """``database``: PostgreSQL's volume."""

    scenario: Scenario
    client: CommitClient
    writers: Sequence[Writer]
    bank: Bank
    database: str = DATABASE_VOLUME
    usage: list[Usage] = field(default_factory=list)
    told: dict[str, None] = field(default_factory=dict)  # sentences about volumes that waited, in order

    @property
    def lab(self) -> Lab:
        return of_namespaces(self.scenario)

    def recovered(self, seconds: float) -> tuple[str, float]:
        """Until nodes, services and writers are as before: what is not, and how long it took."""
        began = time.monotonic()
        asked = began
        self.told.clear()
        while complaint := self._not_recovered():
            if time.monotonic() > began + seconds:
                break
            if time.monotonic() > asked + TOLD:
                asked = time.monotonic()
                self.told.update(dict.fromkeys(f"{volume}: {why}" for volume, why in self.held().items()))
            time.sleep(STEP)
        return complaint, round(time.monotonic() - began, 1)

    def start_fenced(self) -> None:
        """What an operator does with a machine that Reberth powered off: also one that was healed just before."""
        for node in self.lab.nodes:
            if self.lab.power(node.name) == "off":
                self.lab.power_on(node.name)

    def _not_recovered(self) -> str:
        try:
            self.start_fenced()
            if complaint := self.scenario.cluster.all_ready():
                return complaint
            self.scenario.ready(0.0)
            if labelled := self._labelled():
                return f"{', '.join(labelled)} still have the label of a dead node"
            for writer in self.writers:
                writer.audit(self.scenario)
            self.client.read_back()
            self.scenario.cluster.place()  # it answers before Swarm lists its task as running
        except UNREADABLE as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def _labelled(self) -> list[str]:
        """Nodes that bear the label of the dead: all are ready, so nobody may."""
        nodes = self.scenario.cluster.api().nodes()
        return [str(each["Description"]["Hostname"]) for each in nodes if each["Spec"].get("Labels", {}).get(LABEL)]

    def held(self) -> dict[str, str]:
        """Why each volume that is not served waits, in Reberth's words."""
        found = {}
        for volume in (self.database, *(writer.volume for writer in self.writers)):
            try:
                told = self.scenario.cluster.explain(volume)
            except UNREADABLE as error:
                found[volume] = f"no explanation: {error}"
            else:
                if told.state != "ok":
                    found[volume] = f"{told.state}: {told.placement}: {told.why} CURE: {told.cure}"
        return found

    def judge(self) -> tuple[str, ...]:
        """One sentence for each thing that is wrong."""
        return tuple(sentence for name, look in self.looks().items() for sentence in _each(name, look))

    def looks(self) -> dict[str, Look]:
        return {
            "the ledger": self._ledger,
            "the bank": self._bank,
            "the writers": self._lines,
            "the storage": self._storage,
            "the mounts": self._mounts,
            "the records": self._records,
            "what people are told": self._explained,
            "memory and open files": self._growth,
            "the logs": self._laws,
        }

    def _ledger(self) -> Iterator[str]:
        found = self.client.read_back()
        if found.lost:
            yield f"{len(found.lost)} acknowledged commits are lost, the first is number {found.lost[0]}"
        if found.invented:
            yield f"{len(found.invented)} rows are there that nobody sent, or twice, first {found.invented[0]}"

    def _bank(self) -> Iterator[str]:
        yield from self.bank.audit()

    def _lines(self) -> Iterator[str]:
        for writer in self.writers:
            yield from writer.audit(self.scenario)

    def _storage(self) -> Iterator[str]:
        """Disks are where their services run; the kernel's loop devices are those disks and no others; none leaked."""
        listed = self.lab.attachments()
        loops = {image.stem: image.parent.name for image in loop_devices.backed_under(self._layout.machines)}
        if listed != loops:
            yield f"attachments {listed} differ from the kernel's loop devices {loops}"
        places = self._places()
        for volume, node in places.items():
            held = {vm for disk, vm in listed.items() if disk.startswith(f"{volume}-")}
            if held != {self.lab.node(node).vm}:
                yield f"{volume} runs on {node}, its disk is attached to {held or 'no machine'}"
        yield from self._leaked(places)

    def _leaked(self, places: Mapping[str, str]) -> Iterator[str]:
        disks = [str(disk["id"]) for disk in self.lab.host.call("GET", "/v1/disks")]
        strange = [disk for disk in disks if not any(disk.startswith(f"{volume}-") for volume in places)]
        if len(disks) != len(places) or strange:
            yield f"{len(disks)} disks for {len(places)} volumes; strange ones: {strange}"

    def _records(self) -> Iterator[str]:
        names = [str(each["Spec"]["Name"]) for each in self.scenario.cluster.api().configs()]
        records = [name for name in names if name.startswith(RECORD)]
        if len(records) != len(self.writers) + 1:
            yield f"{len(records)} records for {len(self.writers) + 1} volumes: {records}"

    def _laws(self) -> Iterator[str]:
        for node, container in self.scenario.cluster.controllers():
            text = container.logs(tail=20_000).decode(errors="replace")
            broken = [line for line in text.splitlines() if VIOLATED in line]
            if broken:
                yield f"a law was violated on {node}: {broken[-1][:400]}"

    def _growth(self) -> Iterator[str]:
        """Of memory and open files of our programs."""
        for node in self.lab.nodes:
            self.usage += measured(self.lab.spec.name, node.name)
        yield from growing(self.usage)

    def _mounts(self) -> Iterator[str]:
        """In a node, disks are mounted that are attached to it, and those of the services that run there."""
        loops = loop_devices.backed_under(self._layout.machines)
        places = self._places()
        for node in self.lab.nodes:
            here = {number: image.stem for image, number in loops.items() if image.parent.name == node.vm}
            mounted = _mounted(processes.node_init(self.lab.spec.name, node.name))
            if strange := mounted - here.keys():
                yield f"{node.name} has mounted loop devices {sorted(strange)}, which are not attached to it"
            wanted = tuple(f"{volume}-" for volume, place in places.items() if place == node.name)
            if idle := [here[number] for number in mounted & here.keys() if not here[number].startswith(wanted)]:
                yield f"{node.name} has mounted {idle}, whose services run elsewhere"

    def _explained(self) -> Iterator[str]:
        """What is served is not called held: a little later at the latest."""
        end = time.monotonic() + SETTLED
        while (held := self.held()) and time.monotonic() < end:
            time.sleep(STEP)
        yield from (f"{volume} is served, and is told to be {why}" for volume, why in held.items())

    def _places(self) -> dict[str, str]:
        """Volume -> node of its container."""
        places = {writer.volume: writer.place(self.scenario).node for writer in self.writers}
        return places | {self.database: self.scenario.cluster.place().node}

    @property
    def _layout(self) -> Layout:
        return Layout(self.lab.spec.name)


def _mounted(init: int | None) -> set[int]:
    """Numbers of the loop devices that are mounted in a node's own view."""
    if init is None:
        return set()
    lines = Path(f"/proc/{init}/mountinfo").read_text().splitlines()
    devices = (line.split()[2].partition(":") for line in lines)
    return {int(minor) for major, _, minor in devices if major == "7"}


def _each(name: str, look: Look) -> Iterator[str]:
    try:
        yield from look()
    except UNREADABLE as error:
        yield f"{name} could not be audited: {type(error).__name__}: {error}"
