"""Volumes grow, are kept and taken back, get other names; names are used again; Reberth is upgraded; all is removed."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from deploy.drill.errors import DrillError
from deploy.drill.swarm.cluster import wait_for
from tests.drills.day.day import Day, Step
from tests.drills.day.ledger import MIB
from tests.drills.day.swarm import NODES, PATIENCE, Service, parsed

UPGRADES = 300.0  # seconds: one node after the other, and a look at each of 20 s


def _room(day: Day, service: str) -> int:
    return int(day.swarm.inside(service, "df", "-m", "--output=size", "/data").split()[-1])


def grow(day: Day) -> None:
    """By command while it is in use; the container stays, and the file system is larger."""
    service = day.service("media")
    container, room = day.swarm.container(service), _room(day, service)
    day.swarm.reberth("grow", "media", "640MiB")
    day.ledger.volumes["media"].size = 640 * MIB
    wait_for(lambda: "" if _room(day, service) > room * 3 // 2 else "the file system has not grown", PATIENCE)
    assert day.swarm.container(service) == container
    day.changed("media", options={"size": "640MiB", "fstype": "xfs"})
    day.write_all("grown")


def grow_by_file(day: Day) -> None:
    day.changed("files", options={"size": "64MiB"}, version="3")
    day.deploy_shop("swarm02")
    day.ledger.volumes["shop_files"].size = 64 * MIB
    day.write_all("grown-by-file")


def smaller(day: Day) -> None:
    """It is told, and nothing stops."""
    day.changed("files", options={"size": "16MiB"}, version="4")
    day.deploy_shop()
    day.ledger.volumes["shop_files"].warned = "no volume becomes smaller"
    day.write_all("smaller")


def no_longer_smaller(day: Day) -> None:
    day.changed("files", options={"size": "64MiB"}, version="5")
    day.deploy_shop()
    day.ledger.volumes["shop_files"].warned = ""
    day.write_all("as-it-is")


def snapshot(day: Day) -> None:
    """Of volumes in use; they are written to afterwards."""
    for volume in ("media", "shop_db"):
        day.swarm.reberth("snapshot", "create", volume, "before")
        day.ledger.snapshots.setdefault(volume, set()).add("before")
    day.shop_at_snapshot = {name: dict(day.ledger.volumes[name].kept) for name in ("media", "shop_db")}
    day.write_all("after-snapshot")


def restore(day: Day) -> None:
    day.before_restore = dict(day.ledger.volumes["shop_db"].kept)
    for volume, name in (("media", "media"), ("shop_db", "db")):
        day.swarm.scale(day.service(name), 0)
        said = day.swarm.reberth("snapshot", "restore", volume, "before", "--yes")
        kept = re.search(r"before-restore-[0-9-]+", said)
        assert kept is not None, said
        day.ledger.snapshots[volume].add(kept[0])
        day.ledger.volumes[volume].kept = dict(day.shop_at_snapshot[volume])
        day.swarm.scale(day.service(name), 1)
    day.swarm.answers(day.service("db"))


def copy(day: Day) -> None:
    """What was before the restore, in a volume of its own beside the first one."""
    (kept,) = day.ledger.snapshots["shop_db"] - {"before"}
    options = {"clone-from": "shop_db", "clone-snapshot": kept}
    day.swarm.deploy("copy", Service("db", "copy_db", options, ("node.role==worker",), postgres=True))
    day.ledger.begins("copy_db", 640, "copy_db", postgres=True)
    day.swarm.answers("copy_db")
    day.ledger.volumes["copy_db"].kept = dict(day.before_restore)
    day.write_all("copied")


def rename_stack(day: Day) -> None:
    """The stack is removed, and deployed under another name with the old volumes, which are external for it."""
    day.swarm.remove("shop", *day.shop)
    for name in day.shop:
        day.changed(name, known=True)
    day.stack = "store"
    day.deploy_shop("swarm03")
    for volume, name in (("shop_files", "files"), ("media", "media"), ("shop_db", "db")):
        day.ledger.volumes[volume].service = day.service(name)
    day.write_all("stack-renamed")


def rename_volume(day: Day) -> None:
    """As Docker has no word for it: a copy under the new name, and the old one is removed."""
    day.swarm.scale("papers_reader", 0)
    options = {"clone-from": "notes"}
    day.swarm.deploy("papers", Service("reader", "minutes", options, ("node.hostname==swarm04",)))
    wait_for(lambda: _said(day, "swarm02", "volume", "rm", "notes"), PATIENCE)
    day.ledger.volumes["minutes"] = day.ledger.volumes.pop("notes")
    day.ledger.volumes["minutes"].service = "papers_reader"
    day.write_all("volume-renamed")


def _said(day: Day, node: str, *words: str) -> str:
    done = day.swarm.cli(node, *words)
    return "" if done.returncode == 0 else done.stderr.decode()


def remove(day: Day) -> None:
    day.swarm.remove("copy", "db")
    wait_for(lambda: _said(day, "swarm01", "volume", "rm", "copy_db"), PATIENCE)
    del day.ledger.volumes["copy_db"]


def make_again(day: Day) -> None:
    """Both names on other nodes than before; they begin empty."""
    day.swarm.deploy("papers2", Service("reader", "notes", {"size": "64MiB"}, ("node.hostname==swarm01",)))
    day.swarm.docker("swarm02", "volume", "create", "-d", "reberth", "-o", "size=32MiB", "copy_db")
    day.swarm.deploy("copy", Service("files", "copy_db", where=("node.hostname==swarm03",), known=True))
    day.ledger.begins("notes", 64, "papers2_reader")
    day.ledger.begins("copy_db", 32, "copy_files")
    assert [*day.ledger.data()] == []
    day.write_all("made-again")


def prune(day: Day) -> None:
    """Also with volumes that no container has."""
    for service in ("copy_files", "papers2_reader"):
        day.swarm.scale(service, 0)
    for volume in ("copy_db", "notes"):
        day.ledger.volumes[volume].service = ""
    for node in NODES:
        day.swarm.docker(node, "volume", "prune", "-f")
        day.swarm.docker(node, "system", "prune", "-f", "--volumes")


def after_prune(day: Day) -> None:
    """On yet other nodes."""
    idle = (("copy", "files", "copy_db", "swarm04"), ("papers2", "reader", "notes", "swarm05"))
    for stack, name, volume, node in idle:
        day.swarm.deploy(stack, Service(name, volume, where=(f"node.hostname=={node}",), known=True))
        day.ledger.volumes[volume].service = f"{stack}_{name}"
    day.write_all("after-prune")


def upgrade(day: Day) -> None:
    """
    Another image: controllers and node services are exchanged one after the other by `docker stack deploy`, gates where
    no container has a volume. The others wait, and say for what.
    """
    swarm, stacks = day.swarm, day.swarm.scenario.stacks
    old = stacks.variables["REBERTH_IMAGE"]
    made = swarm.docker("swarm01", "create", old, "controller")
    swarm.docker("swarm01", "commit", "-c", "LABEL next=1", made, f"{old}-next")
    swarm.docker("swarm01", "rm", made)
    swarm.docker("swarm01", "push", f"{old}-next")
    day.gates = {node: _gate(day, node) for node in NODES}
    replace(stacks, variables={**stacks.variables, "REBERTH_IMAGE": f"{old}-next"}).deploy_system()
    wait_for(lambda: _parts(day, "gate"), UPGRADES)
    day.write_all("upgraded")


def _parts(day: Day, but: str = "") -> str:
    """What of the upgrade is not done yet, beside this part."""
    left = [each for each in _upgrade(day)["parts"] if each["state"] != "current" and each["part"] != but]
    updating = [
        name
        for name in ("reberth_controller", "reberth_node")
        if day.swarm.cluster.api().inspect_service(name).get("UpdateStatus", {}).get("State") != "completed"
    ]
    return f"{left} {updating}" if left or updating else ""


def _upgrade(day: Day) -> Any:
    """Whatever its verdict is."""
    node, container = day.swarm.cluster.controllers()[0]
    words = ("exec", str(container.id), "/opt/reberth/bin/reberth", "upgrade", "--json")
    told = day.swarm.cli(node, *words)
    if not told.stdout:
        raise DrillError(told.stderr.decode())
    return parsed(told.stdout.decode())


def _gate(day: Day, node: str) -> str:
    return day.swarm.docker(node, "plugin", "inspect", "-f", "{{.Id}}", "reberth:latest")


def _used(day: Day) -> set[str]:
    """Nodes on which a service has a volume."""
    return {day.swarm.newest_runs(each.service) for each in day.ledger.volumes.values() if each.service} - {""}


def upgrade_gates(day: Day) -> None:
    """
    Node by node, as `reberth upgrade` says; what ran there runs elsewhere meanwhile, or waits for its node. Another
    version each: where only constraints are taken away, Swarm goes on with the old task.
    """
    for name in day.shop:
        day.changed(name, where=(), version="6")
    day.deploy_shop()
    for stack, name, volume in (
        ("papers", "reader", "minutes"),
        ("papers2", "reader", "notes"),
        ("copy", "files", "copy_db"),
    ):
        day.swarm.deploy(stack, Service(name, volume, known=True, version="6"))
    for node in sorted(_used(day)):
        if _gate(day, node) == day.gates[node]:
            day.swarm.available(node, "drain")
            wait_for(lambda: "" if node not in _used(day) else f"{node} is in use", PATIENCE)  # noqa: B023 -- at once
            day.swarm.available(node, "active")
            wait_for(lambda: _old(day, node), UPGRADES)  # noqa: B023 -- at once
    for held in day.ledger.volumes.values():
        day.swarm.settled(held.service)
    wait_for(lambda: _parts(day), UPGRADES)
    wait_for(lambda: "".join(_old(day, node) for node in NODES), PATIENCE)
    verdict = _upgrade(day)["verdict"]
    assert verdict == "done", verdict
    day.write_all("gates-upgraded")


def _old(day: Day, node: str) -> str:
    """While its gate is the one from before, or none is there."""
    try:
        return f"the gate of {node} is not exchanged" if _gate(day, node) == day.gates[node] else ""
    except DrillError as error:
        return str(error)


def end(day: Day) -> None:
    day.swarm.remove(day.stack, *day.shop)
    day.swarm.remove("papers", "reader")
    day.swarm.remove("papers2", "reader")
    day.swarm.remove("copy", "files")
    for volume in [*day.ledger.volumes]:
        wait_for(lambda: _said(day, "swarm03", "volume", "rm", volume), PATIENCE)  # noqa: B023 -- at once
        del day.ledger.volumes[volume]
        day.ledger.snapshots.pop(volume, None)


STEPS = (
    Step("grow by command, in use", grow),
    Step("grow by the stack file", grow_by_file),
    Step("a smaller size in the stack file", smaller),
    Step("and the right one again", no_longer_smaller),
    Step("snapshots of two volumes in use", snapshot),
    Step("restore of both", restore),
    Step("copy of what was before the restore", copy),
    Step("another name for the stack", rename_stack),
    Step("another name for a volume", rename_volume),
    Step("remove a stack and its volume", remove),
    Step("make both names again, on other nodes", make_again),
    Step("prune on each node", prune),
    Step("start again what was idle, elsewhere", after_prune),
    Step("upgrade: another image for all", upgrade),
    Step("upgrade of the gates that were in use, node by node", upgrade_gates),
    Step("end of the day: all removed", end),
)
