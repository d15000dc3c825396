"""What a shell may complete: names of volumes and nodes, asked of the controller; none where it does not answer."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli.client import Unanswered, ask
from controller.protocol import operator
from controller.protocol.messages import Empty


def volumes(incomplete: str) -> list[str]:
    try:
        return [each.volume for each in ask(operator.STATUS, Empty()).volumes if each.volume.startswith(incomplete)]
    except Unanswered:
        return []


def nodes(incomplete: str) -> list[str]:
    try:
        return [each.node for each in ask(operator.STATUS, Empty()).nodes if each.node.startswith(incomplete)]
    except Unanswered:
        return []


Volume = Annotated[str, typer.Argument(autocompletion=volumes)]
