"""Where a volume's disk is made."""

from __future__ import annotations

from controller.model import DriverOption, Spec
from drivers.base import Refused, Unreachable
from drivers.libvirt.faults import Fault, Kind
from drivers.libvirt.files.placing import options, place_of, said_pool, unable
from drivers.libvirt.looking.pools import Pool, Pools, Unusable
from drivers.libvirt.settings import Settings
from drivers.shared.faults import Doubt

MAIN = Pool("main", "dir", "/main", active=True)
POOLS = Pools("main", (MAIN,), (Unusable("fast", Fault(Kind.NO_POOL, "a has no storage pool fast")),))


def test_the_pools_of_the_settings_are_what_a_volume_may_say() -> None:
    several = Settings.parse({"uris": "qemu:///system", "pool": "main", "pools": ["fast"]})
    (option,) = options(several)
    assert option == DriverOption("pool", ("main", "fast"), "main", option.about, copies=True)


def test_images_of_ceph_s_have_no_pools_to_choose_from() -> None:
    rbd = {
        "user": "u",
        "vm_user": "v",
        "secret": "00000000-0000-4000-8000-000000000001",
        "monitors": ["a"],
        "keyring": "/k",
    }
    assert options(Settings.parse({"uris": "qemu:///system", "rbd": rbd})) == ()


def test_a_volume_says_its_pool_or_none() -> None:
    assert place_of(Spec(1, for_driver=(("pool", "fast"),))) == "fast"
    assert place_of(Spec(1)) is None


def test_a_pool_that_the_settings_do_not_name_is_refused_with_those_that_they_do() -> None:
    refused = unable(said_pool(POOLS, "slow"))
    assert isinstance(refused, Refused)
    assert "slow is not among those of the settings (main, fast)" in refused.why
    assert refused.cure == "take one of them, or put slow into pools of the settings"


def test_what_a_person_has_to_mend_is_told_at_once_and_what_does_not_answer_is_waited_for() -> None:
    assert unable(said_pool(POOLS, "main")) == MAIN
    missing = unable(said_pool(POOLS, "fast"))
    assert isinstance(missing, Refused)
    assert (missing.why, missing.cure is None) == ("a has no storage pool fast", False)
    assert unable(Fault(Kind.STATE, "it is not started")) == Refused("it is not started")
    assert isinstance(unable(Doubt("no answer")), Unreachable)
