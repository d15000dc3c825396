"""
A lab of virtual machines that stands ready, kept in the cache: memory, disks, certificates. Restored in seconds.

Another lab name is possible, another subnet is not: the guests know their addresses.
"""

from __future__ import annotations

import shutil
import subprocess
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from deploy.lab.names import LabError, LabNode, LabSpec, Layout
from deploy.lab.vms import lab as labs
from deploy.lab.vms import site
from deploy.lab.vms.lab import VmsLab, explained
from drivers.libvirt.client import library

MOST_DAYS = 30  # Swarm's certificates last 90, and a guest's clock jumps by this much


class Meta(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``meta.json``: what a lab restored from here must know."""

    made: float  # unix seconds
    lab: str
    vms: tuple[str, ...]  # UUIDs in the order of the nodes
    password: str  # of the database


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One folder in the cache, there or not. ``key``: a digest of all that the lab was made from."""

    cache: Path
    key: str

    @property
    def folder(self) -> Path:
        return self.cache / "vms" / f"saved-{self.key}"

    def meta(self, now: float) -> Meta | None:
        """None: there is none that can be used."""
        try:
            meta = msgspec.json.decode((self.folder / "meta.json").read_bytes(), type=Meta)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        return meta if now - meta.made < MOST_DAYS * 86400 else None

    def save(self, lab: VmsLab, password: str) -> None:
        """The machines are off afterwards: restore them. Older ones in the cache go, each has 2 GB. Raises LabError."""
        new = self.folder.with_suffix(".new")
        for old in (*self.folder.parent.glob("saved-*"), new):
            shutil.rmtree(old, ignore_errors=True)
        new.mkdir(parents=True)
        labs.on_all(lab.nodes, lambda node: lab.freeze(node.name))  # all at one moment
        for node in lab.nodes:
            with explained():
                xml = lab.connection.lookupByName(node.name).XMLDesc(_inactive())
            (new / f"{node.name}.xml").write_text(xml)
        labs.on_all(lab.nodes, lambda node: _save(lab, node, new))
        for node in lab.nodes:
            shutil.move(lab.place(node).disk, new / f"{node.name}.qcow2")
        _copy(lab.pool, new / "pool")
        shutil.copytree(site.daemon(lab.spec).pki, new / "pki")
        meta = Meta(time.time(), lab.spec.name, tuple(node.vm for node in lab.nodes), password)
        (new / "meta.json").write_bytes(msgspec.json.encode(meta))
        new.rename(self.folder)

    def prepare(self, spec: LabSpec) -> None:
        """Before the lab's libvirtd is started: its certificates and its disks."""
        shutil.copytree(self.folder / "pki", site.daemon(spec).pki)
        _copy(self.folder / "pool", Layout(spec.name).pool)

    def restore(self, lab: VmsLab, meta: Meta) -> None:
        """Raises LabError."""
        renamed = {
            str(Layout(meta.lab).store): str(lab.layout.store),
            Layout(meta.lab).bridge: lab.layout.bridge,
        }
        for node in lab.nodes:
            labs.make_overlay(self.folder / f"{node.name}.qcow2", "qcow2", lab.place(node).disk)
            with explained():
                lab.connection.defineXML(replaced((self.folder / f"{node.name}.xml").read_text(), renamed))
        labs.on_all(lab.nodes, lambda node: self._restore(lab, node, renamed))
        lab.prefer_guests()
        labs.on_all(lab.nodes, lambda node: lab.thaw(node.name))

    def _restore(self, lab: VmsLab, node: LabNode, renamed: Mapping[str, str]) -> None:
        memory = str(self.folder / f"{node.name}.memory")
        libvirt = library()
        with explained():
            xml = lab.connection.saveImageGetXMLDesc(memory, libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE)
            lab.connection.restoreFlags(memory, replaced(xml, renamed), libvirt.VIR_DOMAIN_SAVE_PAUSED)


def new_machines(count: int) -> tuple[str, ...]:
    return tuple(str(uuid.uuid4()) for _ in range(count))


def replaced(text: str, names: Mapping[str, str]) -> str:
    for old, new in names.items():
        text = text.replace(old, new)
    return text


def _save(lab: VmsLab, node: LabNode, folder: Path) -> None:
    with explained():
        lab.connection.lookupByName(node.name).save(str(folder / f"{node.name}.memory"))


def _inactive() -> int:
    libvirt = library()
    return int(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)


def _copy(source: Path, target: Path) -> None:
    """Disks have holes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["cp", "-a", "--sparse=always", "-T", str(source), str(target)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise LabError(f"The lab's disks could not be copied: {done.stderr.strip()}")
