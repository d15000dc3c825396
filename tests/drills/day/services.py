"""Stacks are made, saved, updated, scaled; nodes are drained."""

from __future__ import annotations

from deploy.drill.swarm.cluster import wait_for
from tests.drills.day.day import Day, Step, other, unpacked
from tests.drills.day.swarm import MANAGERS, NODES, PATIENCE, WORKERS, Service


def create(day: Day) -> None:
    day.deploy_shop()
    for volume, service, size in (("shop_files", "files", 32), ("media", "media", 320)):
        day.ledger.begins(volume, size, day.service(service))
    day.ledger.begins("shop_db", 640, day.service("db"), postgres=True)
    day.write_all("created")


def external(day: Day) -> None:
    """Made by hand on one node, used on another one that never saw the name."""
    day.swarm.docker("swarm03", "volume", "create", "-d", "reberth", "-o", "size=32MiB", "notes")
    day.swarm.deploy("papers", Service("reader", "notes", where=("node.hostname==swarm05",), known=True))
    day.ledger.begins("notes", 32, "papers_reader")
    day.write_all("external")


def run_beside(day: Day) -> None:
    """A backup by `docker run` is refused on each node, also where the container runs; `docker exec` has the files."""
    for node in NODES:
        for volume in ("media", "notes"):
            said = day.swarm.refused(node, "run", "--rm", "-v", f"{volume}:/from:ro", day.swarm.image, "ls", "/from")
            assert volume in said, said
    for volume in ("media", "notes"):
        node, container = day.swarm.container(day.ledger.volumes[volume].service)
        tar = day.swarm.cli(node, "exec", container, "tar", "-C", "/data", "-cf", "-", ".").stdout
        assert unpacked(tar) == day.ledger.volumes[volume].kept


def stop(day: Day) -> None:
    day.swarm.scale("papers_reader", 0)
    day.ledger.volumes["notes"].service = ""


def run_stopped(day: Day) -> None:
    """Of a stopped service `docker run` is refused on each node, too; what the documents name has the files."""
    for node in NODES:
        said = day.swarm.refused(node, "run", "--rm", "-v", "notes:/from:ro", day.swarm.image, "ls", "/from")
        assert f"no Swarm task on node {node} mounts volume notes" in said, said
    assert unpacked(day.swarm.exported("notes")) == day.ledger.volumes["notes"].kept


def start(day: Day) -> None:
    day.swarm.scale("papers_reader", 1)
    day.ledger.volumes["notes"].service = "papers_reader"
    day.write_all("started")


def update(day: Day) -> None:
    """A rolling update of all at once, by another manager."""
    for name in day.shop:
        day.changed(name, version="2")
    day.deploy_shop("swarm02")
    day.write_all("updated")


def move(day: Day) -> None:
    """Each gets another node by its constraint: workers to managers and back."""
    for name in ("files", "media"):
        day.changed(name, where=(f"node.hostname=={other(MANAGERS, day.node_of(name))}",))
    day.changed("db", where=(f"node.hostname=={other(WORKERS, day.node_of('db'))}",))
    day.deploy_shop("swarm03")
    day.write_all("moved")


def move_back(day: Day) -> None:
    for name in ("files", "media"):
        day.changed(name, where=("node.role==worker",))
    day.changed("db", where=("node.role==manager",))
    day.deploy_shop()
    day.write_all("moved-back")


def scale_to_two(day: Day) -> None:
    """The second task is refused with the cure, and nothing happens to the first one."""
    swarm, service = day.swarm, day.service("files")
    before = swarm.container(service)
    swarm.docker("swarm01", "service", "scale", "--detach", f"{service}=2")
    errors = ("service", "ps", "--no-trunc", "--format", "{{.Error}}", service)
    wait_for(lambda: "" if "replicas" in swarm.docker("swarm01", *errors) else "no word of it", PATIENCE)
    assert before in swarm.containers(service)
    swarm.docker("swarm01", "service", "scale", "--detach", f"{service}=1")
    swarm.settled(service)
    day.write_all("scaled")


def drain_worker(day: Day) -> None:
    """With a stopped service's disk on it, which leaves it; what runs there moves to the other worker."""
    node = day.node_of("media")
    day.ledger.drained = {node}
    day.swarm.scale("papers_reader", 0)
    day.ledger.volumes["notes"].service = ""
    day.swarm.available(node, "drain")
    for name in day.shop:
        day.swarm.settled(day.service(name))
    wait_for(lambda: "media is there" if day.node_of("media") in {node, ""} else "", PATIENCE)
    vm = day.swarm.lab.node(node).vm
    wait_for(lambda: "a disk is on it" if vm in day.swarm.lab.attachments().values() else "", PATIENCE)
    day.write_all("drained")


def active_again(day: Day) -> None:
    for node in day.ledger.drained:
        day.swarm.available(node, "active")
    day.ledger.drained = set()
    start(day)


def drain_manager(day: Day) -> None:
    """The one that the database is on; its controller goes, too."""
    node = day.node_of("db")
    day.ledger.drained = {node}
    day.swarm.available(node, "drain")
    wait_for(lambda: f"db is on {node}" if day.node_of("db") in {node, ""} else "", PATIENCE)
    day.swarm.answers(day.service("db"))
    day.write_all("manager-drained")


def manager_again(day: Day) -> None:
    (node,) = day.ledger.drained
    day.swarm.available(node, "active")
    day.ledger.drained = set()
    wait_for(lambda: "" if node in day.swarm.scenario.serving() else f"{node} has no controller", PATIENCE)
    day.write_all("manager-again")


STEPS = (
    Step("create: three services by docker stack deploy", create),
    Step("external stack, on a node that never saw the volume", external),
    Step("backup beside the containers, from each node", run_beside),
    Step("scale to nothing", stop),
    Step("backup by docker run on each node, and by export", run_stopped),
    Step("scale to one again", start),
    Step("update of three services at once", update),
    Step("update that moves all three to other nodes", move),
    Step("and back", move_back),
    Step("scale to two", scale_to_two),
    Step("drain of a worker, with an idle disk", drain_worker),
    Step("active again", active_again),
    Step("drain of a manager, with the database", drain_manager),
    Step("active again, with its controller", manager_again),
)
