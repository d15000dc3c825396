"""How a node is switched."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.drill.chaos.outside.settings import OutsideSettings
from deploy.drill.chaos.outside.switch import Command, Switched, off_by
from deploy.drill.errors import DrillError


def test_a_command_gets_the_node_and_its_address_as_one_word_each(tmp_path: Path) -> None:
    Command(f"printf '%s\\n' {{node}} {{address}} >{tmp_path}/said")(Switched("a b;c", "192.0.2.1", ""))

    assert (tmp_path / "said").read_text() == "a b;c\n192.0.2.1\n"


def test_a_command_that_fails_is_told_with_what_it_said() -> None:
    with pytest.raises(DrillError, match=r"ended with 3: no such domain"):
        Command("echo no such domain >&2; exit 3; {node}")(Switched("a", "", ""))


def test_a_driver_that_cannot_be_made_is_refused_before_anything_else(tmp_path: Path) -> None:
    settings = tmp_path / "reberth.toml"
    for text, words in (
        ("", "names no driver"),
        ('[power]\ndriver = "lap"\n', "did you mean 'lab'"),
        ('[power]\ndriver = "lab"\n[power.lab]\nurl = "nonsense"\ntoken_file = "x"\n', "power.lab"),
    ):
        settings.write_text(text)
        with pytest.raises(DrillError, match=words):
            off_by(OutsideSettings(power=str(settings)))
    with pytest.raises(DrillError, match="does not exist"):
        off_by(OutsideSettings(power=str(tmp_path / "none")))


def test_a_driver_switches_off_only_a_machine_that_reberth_knows(tmp_path: Path) -> None:
    settings = tmp_path / "reberth.toml"
    settings.write_text('[power]\ndriver = "none"\n')
    switch = off_by(OutsideSettings(power=str(settings)))
    assert switch is not None

    with pytest.raises(DrillError, match="does not know which machine a is"):
        switch(Switched("a", "", ""))
    with pytest.raises(DrillError, match="a was switched off and is read as"):
        switch(Switched("a", "", "vm"))
