"""Events are a line each, for people or as JSON."""

from __future__ import annotations

import msgspec

from controller.cli.commands.history import line
from controller.cli.forms import Form
from controller.model import EvidenceKind, Moment
from controller.protocol.views import EventView

EVENT = EventView(
    moment=Moment.EVIDENCE, at=0.0, epoch=3, text="seen off", node="", evidence=EvidenceKind.POWERED_OFF, volume="data"
)


def test_a_line_has_the_volume_the_word_the_evidence_and_the_reason() -> None:
    assert line(EVENT, Form.TABLE).endswith("data evidence (powered-off) -: seen off")
    assert msgspec.json.decode(line(EVENT, Form.JSON), type=EventView) == EVENT
