"""`reberth explain`, `doctor` and `plan`: what is the matter, what to do, and what would be done."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from controller.cli.app import Json, Output, app, show
from controller.cli.client import ask
from controller.cli.completion import Volume, nodes
from controller.cli.forms import Form
from controller.cli.show import show_explanation, show_findings
from controller.cli.show_moves import show_plan
from controller.protocol import operator
from controller.protocol.messages import Empty


@app.command()
def explain(volume: Volume, json: Json = False, output: Output = Form.TABLE) -> None:
    """One volume: what was decided, on which evidence, what happened, and what you can do."""
    show(ask(operator.EXPLAIN, operator.Explain(volume)), show_explanation, output, json=json)


@app.command()
def doctor(json: Json = False, output: Output = Form.TABLE) -> None:
    """What is wrong with the swarm, or will hurt in a failover, with its cure. Ends with 1 if there is an error."""
    found = ask(operator.DOCTOR, Empty())
    show(found, show_findings, output, json=json)
    if any(each.severity == "error" for each in found.findings):
        raise typer.Exit(1)


class Vm(Enum):
    OFF = "off"
    RUNS = "runs"
    UNSEEN = "unseen"


@app.command()
def plan(
    node_down: Annotated[str, typer.Option(help="If this node were down.", autocompletion=nodes)] = "",
    vm: Annotated[Vm, typer.Option(help="What the hypervisor would say of that node's VM.")] = Vm.OFF,
    json: Json = False,
    output: Output = Form.TABLE,
) -> None:
    """What would be done, by the planner itself: now, or if a node were down. Nothing is done."""
    show(ask(operator.PLAN, operator.Plan(node_down, vm.value)), show_plan, output, json=json)
