"""What a person may say about a swarm that is to be broken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deploy.drill.chaos.outside.settings import OutsideSettings, names, pairs
from deploy.drill.errors import DrillError

GOOD = OutsideSettings(nodes="a", switch_off="off {node}", switch_on="on {node}")


def test_what_is_whole_is_taken() -> None:
    GOOD.check()
    replace(GOOD, switch_off="", switch_on="").check()
    replace(GOOD, switch_off="", power="reberth.toml").check()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"nodes": ""}, "say --nodes a,b"),
        ({"nodes": " , "}, "say --nodes a,b"),
        ({"stack": "Chaos"}, "--stack is 'Chaos'"),
        ({"stack": ""}, "--stack is ''"),
        ({"port": 65_533}, "--port is 65533; 4 ports"),
        ({"volume_options": "size"}, "--volume-options is 'size'"),
        ({"address": "=x"}, "--address is '=x'"),
        ({"switch_on": ""}, "without --switch-on"),
        ({"switch_off": ""}, "without --switch-off"),
        ({"switch_off": "poweroff"}, "--switch-off has no {node}"),
        ({"switch_on": "start"}, "--switch-on has no {node}"),
        ({"power": "reberth.toml"}, "two ways"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_the_name_of_the_option(changes: dict[str, str], said: str) -> None:
    with pytest.raises(DrillError, match=said):
        replace(GOOD, **changes).check()  # type: ignore[arg-type]


def test_words_between_commas_are_taken_once_each() -> None:
    assert names(" b,a,,b ") == ("b", "a")
    assert pairs("--x", "a=1,b=2=3") == {"a": "1", "b": "2=3"}
