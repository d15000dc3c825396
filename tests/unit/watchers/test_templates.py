"""Templates in mount sources: the same text that the node's engine makes, or a reason."""

from __future__ import annotations

import pytest

from watchers.templates import Context, Unassigned, Unexpandable, expand, varies

REPLICA = Context(
    service_id="s1",
    service_name="shop_pg",
    task_id="t1",
    slot=2,
    node="n1",
    hostname="swarm01",
    labels={"tier": "db", "com.example.app": "shop"},
)
GLOBAL = Context(service_id="s1", service_name="logs", task_id="t1", slot=0, node="n1", hostname="swarm01")
PENDING = Context(service_id="s1", service_name="shop_pg", task_id="t1", slot=2)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("pgdata", "pgdata"),
        ("data-{{.Task.Slot}}", "data-2"),
        ("data-{{ .Task.Slot }}", "data-2"),
        ("{{.Service.Name}}-{{.Service.ID}}", "shop_pg-s1"),
        ("{{.Node.ID}}/{{.Node.Hostname}}", "n1/swarm01"),
        ("{{.Task.ID}} {{.Task.Name}}", "t1 shop_pg.2.t1"),
        ("{{.Service.Labels.tier}}", "db"),
        ('{{index .Service.Labels "com.example.app"}}', "shop"),
        ("{{ index .Service.Labels `com.example.app` }}", "shop"),
        ("a}}b", "a}}b"),
    ],
)
def test_a_replicas_text_is_expanded_as_by_its_node(text: str, expanded: str) -> None:
    assert expand(text, REPLICA) == expanded


@pytest.mark.parametrize(("text", "expanded"), [("{{.Task.Slot}}", "n1"), ("{{.Task.Name}}", "logs.n1.t1")])
def test_a_global_services_slot_is_its_node(text: str, expanded: str) -> None:
    assert expand(text, GLOBAL) == expanded


@pytest.mark.parametrize("text", ["x-{{.Node.Hostname}}", "{{.Node.ID}}"])
def test_a_text_about_the_node_waits_for_the_assignment(text: str) -> None:
    assert expand(text, PENDING) == Unassigned()


def test_a_slot_is_known_before_the_assignment() -> None:
    assert expand("{{.Task.Slot}} {{.Task.Name}}", PENDING) == "2 shop_pg.2.t1"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{{join "-" .Service.Name "x"}}', "not supported"),
        ("{{.Task.Slot | printf}}", "not supported"),
        ("{{- .Task.Slot}}", "not supported"),
        ("{{.Node.Platform.OS}}", ".Task.Slot"),
        ("{{.Service.Labels.absent}}", "no label 'absent'"),
        ("{{.Task.Slot", "close it"),
        ("{{}}", "not supported"),
    ],
)
def test_what_cannot_be_foretold_is_refused_with_the_cure(text: str, why: str) -> None:
    refused = expand(text, REPLICA)

    assert isinstance(refused, Unexpandable)
    assert why in refused.why


@pytest.mark.parametrize(
    ("text", "different"),
    [
        ("data-{{.Task.Slot}}", True),
        ("data-{{ .Node.Hostname }}", True),
        ("{{.Service.Name}}", False),
        ("plain .Task.Slot", False),
    ],
)
def test_only_texts_about_task_or_node_can_differ_between_replicas(text: str, different: bool) -> None:
    assert varies(text) is different


def test_no_template_is_advised_that_is_refused_in_a_name() -> None:
    found = expand("{{.Node.Platform.OS}}", PENDING)
    assert isinstance(found, Unexpandable)
    assert ".Task.ID" not in found.why
