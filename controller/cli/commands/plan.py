"""`reberth plan`."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from controller.cli.app import Json, Output, app, show
from controller.cli.client import ask
from controller.cli.completion import nodes
from controller.cli.forms import Form
from controller.cli.show_moves import show_plan
from controller.protocol import operator


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
