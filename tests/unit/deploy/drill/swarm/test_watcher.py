from typing import Any

from deploy.drill.swarm.watcher import Sightings


def node(identity: str, name: str, state: str) -> dict[str, Any]:
    return {"ID": identity, "Description": {"Hostname": name}, "Status": {"State": state}}


def task(identity: str, where: str, state: str = "assigned", desired: str = "ready") -> dict[str, Any]:
    return {"ID": identity, "NodeID": where, "DesiredState": desired, "Status": {"State": state, "Message": "m"}}


def test_the_first_look_that_shows_the_node_down_counts() -> None:
    seen = Sightings(node="swarm02")

    seen.see(10.0, [node("a", "swarm01", "down"), node("b", "swarm02", "ready")], [])
    assert seen.node_down is None
    seen.see(11.0, [node("b", "swarm02", "down")], [])
    seen.see(12.0, [node("b", "swarm02", "down")], [])

    assert seen.node_down == 11.0


def test_a_node_that_rejoined_under_a_new_id_is_down_only_when_all_its_entries_are() -> None:
    seen = Sightings(node="swarm02")

    seen.see(10.0, [node("old", "swarm02", "down"), node("new", "swarm02", "ready")], [])

    assert seen.node_down is None


def test_the_task_is_assigned_when_a_new_one_has_a_node_and_is_wanted() -> None:
    seen = Sightings(node="swarm02", known=frozenset({"old"}))

    seen.see(10.0, [], [task("old", "b", "running", "shutdown"), task("new", "")])
    seen.see(10.5, [], [task("gone", "a", "assigned", "shutdown")])
    assert seen.assigned is None
    seen.see(11.0, [node("a", "swarm01", "ready")], [task("new", "a")])
    seen.see(12.0, [], [task("newer", "a")])

    assert seen.assigned == 11.0
    assert "on no node yet" in seen.states["gone"]
