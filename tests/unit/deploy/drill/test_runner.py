from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from rich.console import Console

from deploy.drill.errors import DrillError, Say
from deploy.drill.interrupts import SIGNALS
from deploy.drill.lab_protocols import SwarmLab
from deploy.drill.progress import Progress
from deploy.drill.proxy.fault_proxy import FaultProxy
from deploy.drill.runner import INTERRUPTED, Drill, Result
from deploy.drill.settings import DrillSettings
from deploy.drill.swarm.cluster import Cluster
from deploy.drill.swarm.stacks import Stacks


@dataclass
class FakeProvider:
    """A provider whose steps do what the test says."""

    at_packages: Callable[[], None] = lambda: None
    at_up: Callable[[], None] = lambda: None
    at_down: Callable[[], None] = lambda: None
    folder: Path | None = None
    steps: list[str] = field(default_factory=list)
    errors: tuple[type[Exception], ...] = (LookupError,)
    proxy: FaultProxy | None = None

    def packages(self, say: Say) -> None:
        self.steps.append("packages")
        self.at_packages()

    def up(self, settings: DrillSettings, say: Say) -> SwarmLab:
        self.steps.append("up")
        self.at_up()
        raise DrillError("this provider has no lab")

    def stacks(self, lab: SwarmLab, cluster: Cluster, settings: DrillSettings, say: Say) -> Stacks:
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


def drill(provider: FakeProvider, folder: Path, **changes: object) -> tuple[Result, str]:
    screen = io.StringIO()
    settings = replace(DrillSettings(report=folder), **changes)  # type: ignore[arg-type]
    result = Drill(provider, settings, Progress(Console(file=screen, width=200))).run()
    return result, screen.getvalue()


@pytest.mark.parametrize("number", SIGNALS)
def test_an_interrupt_removes_everything_and_ends_like_an_interrupted_command(
    number: signal.Signals, tmp_path: Path
) -> None:
    provider = FakeProvider(at_packages=send(number))

    result, said = drill(provider, tmp_path)

    assert result.code == INTERRUPTED
    assert provider.steps == ["packages", "down"]
    assert f"Stopped by {number.name} during: packages" in said


def test_a_second_interrupt_does_not_break_the_clean_up(tmp_path: Path) -> None:
    provider = FakeProvider(at_up=send(signal.SIGINT), at_down=send(signal.SIGINT))

    result, _ = drill(provider, tmp_path)

    assert result.code == INTERRUPTED
    assert provider.steps == ["packages", "up", "down"]


def test_an_interrupted_lab_is_removed_even_if_it_was_to_be_kept(tmp_path: Path) -> None:
    provider = FakeProvider(at_up=send(signal.SIGTERM))

    drill(provider, tmp_path, keep=True)

    assert provider.steps[-1] == "down"


def test_a_failure_before_the_fault_names_the_phase_the_reason_and_where_the_logs_are(tmp_path: Path) -> None:
    lab = tmp_path / "lab" / "nodes" / "swarm01"
    lab.mkdir(parents=True)
    (lab / "dockerd.log").write_text("no space left")
    provider = FakeProvider(folder=tmp_path / "lab")

    result, said = drill(provider, tmp_path / "report")

    assert result.code == 1
    assert "failed during: lab up. this provider has no lab" in said
    assert (tmp_path / "report" / "logs" / "nodes-swarm01-dockerd.log").read_text() == "no space left"
    assert provider.steps == ["packages", "up", "down"]


def raise_lookup() -> None:
    raise LookupError("the provider's own sentence")


def test_an_error_of_the_provider_itself_is_a_sentence_too(tmp_path: Path) -> None:
    provider = FakeProvider(at_up=raise_lookup)

    result, said = drill(provider, tmp_path)

    assert result.code == 1
    assert "failed during: lab up. the provider's own sentence" in said


def test_a_failed_lab_that_is_to_be_kept_is_left_and_the_cure_is_said(tmp_path: Path) -> None:
    provider = FakeProvider()

    _, said = drill(provider, tmp_path, keep=True, name="mine")

    assert provider.steps == ["packages", "up"]
    assert "reberth lab down --name mine" in said


def test_the_signals_are_the_programs_own_again_after_a_drill_without_an_interrupt(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in SIGNALS]

    drill(FakeProvider(), tmp_path)

    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_late_second_interrupt_does_not_change_the_exit_code_of_the_first(tmp_path: Path) -> None:
    drill(FakeProvider(at_packages=send(signal.SIGINT)), tmp_path)

    assert [signal.getsignal(number) for number in SIGNALS] == [signal.SIG_IGN] * 3
