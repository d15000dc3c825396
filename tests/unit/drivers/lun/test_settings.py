"""What an administrator writes about LUNs, and the sentences about what is wrong with it."""

from __future__ import annotations

import pytest

from controller.model import VmId
from controller.reservations.keys import who_is
from drivers.lun.settings import Settings
from drivers.shared.settings import SettingsError

LUNS = ["wwn-0x60014051234567890abcdef012345678", "wwn-0x5000c500a1b2c3d4"]
VMS = ["4C4C4544-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"]
COLLIDING = ["00000000-0000-4000-8000-000000003e30", "00000000-0000-4000-8000-000000012677"]
GOOD = {"pool": "swarm-1", "luns": LUNS, "vms": VMS}


def test_good_settings_are_read_and_machines_are_known_by_their_digests() -> None:
    vm = VmId(VMS[0].lower())
    assert Settings.parse(GOOD).machines[who_is(vm)] == vm
    assert Settings.parse({**GOOD, "luns": " ".join(LUNS)}).luns == tuple(LUNS)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"colour": "red"}, "unknown field"),
        ({"pool": ""}, "pool is ''"),
        ({"pool": "a b"}, "pool is 'a b'"),
        ({"luns": []}, "luns is empty"),
        ({"luns": ["sdb"]}, "'sdb' in luns is no LUN"),
        ({"luns": [f"{LUNS[0]}-part1"]}, "is no LUN"),
        ({"luns": [LUNS[0].upper()]}, "is no LUN"),
        ({"luns": [LUNS[0], LUNS[0]]}, "luns has wwn-0x60014051234567890abcdef012345678 twice"),
        ({"vms": []}, "vms is empty"),
        ({"vms": ["node-1"]}, "'node-1' in vms is no UUID"),
        ({"vms": ["00000000-0000-0000-0000-000000000000"]}, "no UUID of one machine"),
        ({"vms": [VMS[0], VMS[0].lower()]}, "twice"),
        ({"vms": 5}, "vms"),
        ({"look_timeout": 0}, "look_timeout"),
    ],
)
def test_a_mistake_is_told_with_the_setting_that_has_it(given: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        Settings.parse({**GOOD, **given})


def test_two_machines_whose_keys_would_be_the_same_are_refused() -> None:
    """Found by trying: the digest has 32 bits."""
    alike = {"vms": COLLIDING}
    assert who_is(VmId(COLLIDING[0])) == who_is(VmId(COLLIDING[1]))
    with pytest.raises(SettingsError, match="same digest"):
        Settings.parse({**GOOD, **alike})
