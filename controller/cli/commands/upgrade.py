"""`reberth upgrade`."""

from __future__ import annotations

import typer

from controller.cli.app import Json, Output, app, show
from controller.cli.client import Exit, Unanswered, ask
from controller.cli.forms import Form
from controller.cli.show_upgrade import show_upgrade
from controller.names import own_version
from controller.protocol import operator
from controller.protocol.messages import Empty
from controller.protocol.views import UpgradeView

_EXITS = {"done": Exit.DONE, "wait": Exit.HELD}


@app.command()
def upgrade(json: Json = False, output: Output = Form.TABLE) -> None:
    """How far an upgrade is, what comes next, and whether to wait. Nothing is done. Ends with 0, 5 or 6."""
    found = _found()
    show(found, show_upgrade, output, json=json)
    raise typer.Exit(code_of(found))


def code_of(found: UpgradeView) -> Exit:
    return _EXITS.get(found.verdict, Exit.UNFINISHED)


def _found() -> UpgradeView:
    try:
        return ask(operator.UPGRADE, Empty())
    except Unanswered as error:
        if error.code is not Exit.MISSING:
            raise
        return older()


def older() -> UpgradeView:
    """The controller that acts knows no such question: this command's own version is a later one."""
    try:
        status = ask(operator.STATUS, Empty())
    except Unanswered:
        return UpgradeView("wait", "", "", (_OLDER,))
    return UpgradeView("wait", status.version, status.holder, (_OLDER,))


_OLDER = (
    f"The controller that acts is older than this one ({own_version()}), and cannot say more: controllers are being "
    "exchanged. `docker service ps --no-trunc reberth_controller` shows how far Swarm is."
)
