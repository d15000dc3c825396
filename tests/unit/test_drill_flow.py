from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from rich.console import Console

from deploy.drill.catalogue import FAULTS, make_fault
from deploy.drill.cli import check
from deploy.drill.cluster import Cluster
from deploy.drill.flow import INTERRUPTED, Drill, Result
from deploy.drill.ground import DrillError, DrillSettings, Ground, Say
from deploy.drill.interrupts import SIGNALS
from deploy.drill.progress import Progress
from deploy.drill.stacks import Stacks
from deploy.drill.trap import Trap


@dataclass
class FakeSite:
    """A site whose steps do what the test says."""

    at_packages: Callable[[], None] = lambda: None
    at_up: Callable[[], None] = lambda: None
    at_down: Callable[[], None] = lambda: None
    folder: Path | None = None
    steps: list[str] = field(default_factory=list)
    errors: tuple[type[Exception], ...] = (LookupError,)
    trap: Trap | None = None

    def packages(self, say: Say) -> None:
        self.steps.append("packages")
        self.at_packages()

    def up(self, settings: DrillSettings, say: Say) -> Ground:
        self.steps.append("up")
        self.at_up()
        raise DrillError("this site has no ground")

    def stacks(self, ground: Ground, cluster: Cluster, settings: DrillSettings, say: Say) -> Stacks:
        raise AssertionError("never reached")

    def logs(self, settings: DrillSettings) -> Path | None:
        return self.folder

    def engine_logs(self, settings: DrillSettings) -> Mapping[str, Path]:
        return {}

    def down(self, settings: DrillSettings) -> None:
        self.at_down()
        self.steps.append("down")


@pytest.fixture(autouse=True)
def _own_signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: signal.Signals) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def drill(site: FakeSite, folder: Path, **changes: object) -> tuple[Result, str]:
    screen = io.StringIO()
    settings = replace(DrillSettings(report=folder), **changes)  # type: ignore[arg-type]
    result = Drill(site, settings, Progress(Console(file=screen, width=200))).run()
    return result, screen.getvalue()


@pytest.mark.parametrize("number", SIGNALS)
def test_an_interrupt_removes_everything_and_ends_like_an_interrupted_command(
    number: signal.Signals, tmp_path: Path
) -> None:
    site = FakeSite(at_packages=send(number))

    result, said = drill(site, tmp_path)

    assert result.code == INTERRUPTED
    assert site.steps == ["packages", "down"]
    assert f"Stopped by {number.name} during: packages" in said


def test_a_second_interrupt_does_not_break_the_clean_up(tmp_path: Path) -> None:
    site = FakeSite(at_up=send(signal.SIGINT), at_down=send(signal.SIGINT))

    result, _ = drill(site, tmp_path)

    assert result.code == INTERRUPTED
    assert site.steps == ["packages", "up", "down"]


def test_an_interrupted_lab_is_removed_even_if_it_was_to_be_kept(tmp_path: Path) -> None:
    site = FakeSite(at_up=send(signal.SIGTERM))

    drill(site, tmp_path, keep=True)

    assert site.steps[-1] == "down"


def test_a_failure_before_the_fault_names_the_phase_the_reason_and_where_the_logs_are(tmp_path: Path) -> None:
    lab = tmp_path / "lab" / "nodes" / "swarm01"
    lab.mkdir(parents=True)
    (lab / "dockerd.log").write_text("no space left")
    site = FakeSite(folder=tmp_path / "lab")

    result, said = drill(site, tmp_path / "report")

    assert result.code == 1
    assert "failed during: lab up. this site has no ground" in said
    assert (tmp_path / "report" / "logs" / "nodes-swarm01-dockerd.log").read_text() == "no space left"
    assert site.steps == ["packages", "up", "down"]


def raise_lookup() -> None:
    raise LookupError("the site's own sentence")


def test_an_error_of_the_site_itself_is_a_sentence_too(tmp_path: Path) -> None:
    site = FakeSite(at_up=raise_lookup)

    result, said = drill(site, tmp_path)

    assert result.code == 1
    assert "failed during: lab up. the site's own sentence" in said


def test_a_failed_lab_that_is_to_be_kept_is_left_and_the_cure_is_said(tmp_path: Path) -> None:
    site = FakeSite()

    _, said = drill(site, tmp_path, keep=True, name="mine")

    assert site.steps == ["packages", "up"]
    assert "reberth lab down --name mine" in said


def test_the_signals_are_the_programs_own_again_after_a_drill_without_an_interrupt(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in SIGNALS]

    drill(FakeSite(), tmp_path)

    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_late_second_interrupt_does_not_change_the_exit_code_of_the_first(tmp_path: Path) -> None:
    drill(FakeSite(at_packages=send(signal.SIGINT)), tmp_path)

    assert [signal.getsignal(number) for number in SIGNALS] == [signal.SIG_IGN] * 3


def test_every_fault_is_known_by_its_own_name_and_made_afresh() -> None:
    for name in FAULTS:
        assert make_fault(name).name == name
    assert make_fault("controller-kill") is not make_fault("controller-kill")


def test_an_unknown_fault_is_answered_with_the_known_ones() -> None:
    with pytest.raises(DrillError, match=r"no fault 'flood'.*power-off"):
        make_fault("flood")


@pytest.mark.parametrize("option", ["fault", "lab", "storage", "target"])
def test_an_unknown_choice_names_the_option_and_the_choices(option: str) -> None:
    with pytest.raises(DrillError, match=f"--{option} is 'x'; choose one of"):
        check(replace(DrillSettings(), **{option: "x"}))  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", ["storage-away", "host-lost", "password-change", "rotation-cut", "session-end"])
def test_a_fault_of_vcenter_is_refused_before_a_lab_is_made_that_has_none(fault: str) -> None:
    with pytest.raises(DrillError, match=f"--fault {fault} goes with --storage vsphere"):
        check(DrillSettings(fault=fault))
    check(DrillSettings(fault=fault, storage="vsphere"))


def test_a_fault_that_stops_controllers_at_their_calls_needs_the_labs_own_storage() -> None:
    with pytest.raises(DrillError, match="--fault leader-kill goes with --storage lab"):
        check(DrillSettings(fault="leader-kill", storage="vsphere", trap=True))
