from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from drivers import loading
from drivers.loading import Chosen, LoadingError, load, load_power
from drivers.memory import MemoryDriver

NOBODY = Chosen(None, {})
MEMORY = Chosen("memory", {})

OTHERS = """
from drivers.memory import MemoryDriver
from drivers.memory_storage import MemoryStorage
from drivers.no_power import NoPower

DISKS = ("capabilities", "create", "clone", "keys", "delete", "list_attachments", "attach", "detach", "device", "close")
DisksOnly = type("DisksOnly", (), {name: getattr(MemoryDriver, name) for name in DISKS})

DisksOnly.__init__ = MemoryDriver.__init__

def disks(settings): return DisksOnly(MemoryStorage())
def power(settings): return NoPower()
def needy(settings): raise ImportError("no module of theirs: apt-get install it")
def wrong(settings): return object()
"""
ENTRY_POINTS = """
[reberth.drivers]
their-disks = theirs:disks
their-wrong = theirs:wrong
their-needy = theirs:needy
[reberth.power]
their-power = theirs:power
their-wrong = theirs:wrong
memory = drivers.memory:create
"""


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path) -> Iterator[None]:
    """A package of somebody else's on the path, as pip leaves it there."""
    folder = tmp_path / "theirs-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(ENTRY_POINTS)
    (tmp_path / "theirs.py").write_text(OTHERS)
    sys.path.insert(0, str(tmp_path))
    yield
    sys.path.remove(str(tmp_path))
    sys.modules.pop("theirs", None)


def test_no_driver_is_an_error_that_says_where_to_write_its_name() -> None:
    with pytest.raises(LoadingError, match=r"no storage is configured: put `driver = .* \[storage\]"):
        load(NOBODY, NOBODY)


def test_an_unknown_driver_is_an_error_with_the_nearest_and_all_known_ones() -> None:
    with pytest.raises(
        LoadingError, match=r"no storage driver 'memry': did you mean 'memory'\? known drivers: .*lab.*"
    ):
        load(Chosen("memry", {}), NOBODY)


def test_an_unknown_power_driver_is_looked_for_among_the_power_drivers() -> None:
    with pytest.raises(LoadingError, match=r"no power driver 'their-powr': did you mean 'their-power'\?"):
        load(MEMORY, Chosen("their-powr", {}))


def test_a_key_that_the_driver_does_not_know_is_named() -> None:
    with pytest.raises(LoadingError, match=r"\[storage\.memory\].*`colour`"):
        load(Chosen("memory", {"colour": "red"}), NOBODY)
    with pytest.raises(LoadingError, match=r"\[power\.memory\].*`colour`"):
        load_power("memory", {"colour": "red"})


def test_a_value_of_the_wrong_type_names_the_key() -> None:
    with pytest.raises(LoadingError, match=r"Expected `int`.*max_disks_per_vm"):
        load(Chosen("memory", {"max_disks_per_vm": "many"}), NOBODY)


@pytest.mark.parametrize("power", [NOBODY, MEMORY], ids=["not said", "the same name"])
def test_a_driver_that_knows_power_is_asked_about_it_too(power: Chosen) -> None:
    made = load(MEMORY, power)
    assert isinstance(made.storage, MemoryDriver)
    assert id(made.power) == id(made.storage)


def test_settings_of_its_own_under_power_make_a_driver_of_its_own() -> None:
    made = load(MEMORY, Chosen("memory", {"vms": ["a"]}))
    assert id(made.power) != id(made.storage)


def test_disks_and_power_may_come_from_two_packages() -> None:
    made = load(Chosen("their-disks", {}), Chosen("their-power", {}))
    assert (type(made.storage).__name__, type(made.power).__name__) == ("DisksOnly", "NoPower")


def test_storage_that_knows_nothing_about_power_needs_a_driver_that_does() -> None:
    with pytest.raises(LoadingError, match=r"their-disks knows nothing about power: put .* \[power\].*their-power"):
        load(Chosen("their-disks", {}), NOBODY)


def test_a_driver_whose_libraries_are_missing_says_so_and_does_not_end_the_controller() -> None:
    with pytest.raises(LoadingError, match="needs something that is missing: no module of theirs"):
        load(Chosen("their-needy", {}), NOBODY)


def test_what_is_no_driver_is_refused() -> None:
    with pytest.raises(LoadingError, match="no StorageDriver"):
        load(Chosen("their-wrong", {}), NOBODY)
    with pytest.raises(LoadingError, match="no PowerDriver"):
        load_power("their-wrong", {})


class _Closable:
    def __init__(self) -> None:
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1


async def test_one_driver_that_is_both_is_closed_once() -> None:
    one, other = _Closable(), _Closable()
    await loading.Drivers(one, one).close()  # type: ignore[arg-type]
    await loading.Drivers(other, one).close()  # type: ignore[arg-type]
    assert (one.closed, other.closed) == (2, 1)


def test_the_known_drivers_are_those_of_the_entry_points() -> None:
    assert {"memory", "lab", "their-disks"} <= set(loading.known("storage"))
    assert "their-disks" not in loading.known("power")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("drivers.no_such_module:create", "something that is missing"),
        ("drivers.memory:no_such_name", "installed wrongly"),
        ("drivers.memory:CAPABILITIES", "cannot be called"),
    ],
)
def test_a_driver_that_is_installed_wrongly_says_so(value: str, message: str) -> None:
    entry = EntryPoint("broken", value, loading.GROUPS["storage"])
    with pytest.raises(LoadingError, match=message):
        loading._import(entry)
