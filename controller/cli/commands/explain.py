"""`reberth explain` and `reberth doctor`: what is the matter, and what to do."""

from __future__ import annotations

import typer

from controller.cli.app import Json, Output, app, show
from controller.cli.client import ask
from controller.cli.completion import Volume
from controller.cli.forms import Form
from controller.cli.show import show_explanation, show_findings
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
