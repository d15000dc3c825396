"""The options of `reberth chaos`."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from deploy.drill.chaos.cli import app, chosen, kinds, minutes
from deploy.drill.chaos.faults.catalogue import FAULTS, KINDS
from deploy.drill.chaos.schedule import episode
from deploy.drill.errors import DrillError

NODES = ["swarm01", "swarm02", "swarm03"]


@pytest.mark.parametrize(("text", "wanted"), [("30m", 30.0), ("1h", 60.0), ("90s", 1.5), ("0.5h", 30.0)])
def test_a_time_is_read(text: str, wanted: float) -> None:
    assert minutes(text) == wanted


@pytest.mark.parametrize("text", ["", "30", "m", "1d", "-1h"])
def test_another_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(DrillError, match="write for example 30m"):
        minutes(text)


def test_episodes_are_chosen_by_their_numbers() -> None:
    assert chosen(7, "", NODES, KINDS) is None
    assert chosen(7, "3,5", NODES, KINDS) == [episode(7, number, KINDS, NODES) for number in (3, 5)]
    with pytest.raises(DrillError, match="--only is 'x'"):
        chosen(7, "x", NODES, KINDS)


def test_faults_are_chosen_by_their_names_and_a_strange_one_is_refused_with_those_that_there_are() -> None:
    assert kinds("", FAULTS) == KINDS
    assert [kind.name for kind in kinds("loss,cut", FAULTS)] == ["loss", "cut"]
    with pytest.raises(DrillError, match="there is no fault flood; there is power-off,"):
        kinds("loss,flood", FAULTS)


def test_a_refused_option_makes_no_lab() -> None:
    refused = CliRunner().invoke(app, ["--for", "soon"])

    assert refused.exit_code == 2
    assert "--for is 'soon'" in refused.output
