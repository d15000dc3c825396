"""
Chaos from outside, on a swarm that it knows by a Docker context alone: two nodes with Reberth, and somebody's service.

The lab's machines are switched by an operator's command.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from controller.records.keepers import NAME as KEPT
from deploy.drill.chaos.report import ChaosReport
from deploy.drill.swarm.scenario import Scenario
from deploy.lab.lab import Lab
from tests.drills.tiny import Tiny, Village

pytestmark = pytest.mark.timeout(900)
MANAGER, WORKER = "swarm01", "swarm02"
REBERTH = [sys.executable, "-m", "controller.cli.main"]


@pytest.fixture
def outside(scenario: Scenario, lab: Lab, tmp_path: Path) -> tuple[list[str], dict[str, str]]:
    """The command, and an environment that has a Docker context and nothing else of the lab."""
    environment = {**os.environ, "DOCKER_CONFIG": str(tmp_path / "docker")}
    endpoint = f"host=unix://{lab.node(MANAGER).socket}"
    subprocess.run(["docker", "context", "create", "theirs", "--docker", endpoint], env=environment, check=True)
    button = " ".join([*REBERTH, "lab", "power-{}", "{{node}}", "--name", lab.spec.name])
    words = ["--context", "theirs", "--nodes", WORKER, "--report", str(tmp_path / "report"), "--load", "1"]
    switches = ["--switch-off", button.format("off"), "--switch-on", button.format("on")]
    image = scenario.stacks.variables["POSTGRES_IMAGE"]
    return [*REBERTH, "chaos", "--on-swarm", *words, *switches, "--postgres-image", image], environment


def theirs(scenario: Scenario) -> Mapping[str, object]:
    """All that chaos may not touch, and must not leave anything beside."""
    api = scenario.cluster.api()
    services = {each["Spec"]["Name"]: each["Spec"] for each in api.services()}
    return {
        "services": {name: spec for name, spec in services.items() if not name.startswith(KEPT)},
        "configs": sorted(each["Spec"]["Name"] for each in api.configs()),
        "secrets": sorted(each["Spec"]["Name"] for each in api.secrets()),
        "nodes": {each["Description"]["Hostname"]: each["Spec"] for each in api.nodes()},
    }


def disks(lab: Lab) -> list[str]:
    return sorted(str(disk["id"]) for disk in lab.host.call("GET", "/v1/disks"))


def test_chaos_breaks_a_named_node_and_leaves_all_as_it_was(
    outside: tuple[list[str], dict[str, str]], scenario: Scenario, village: Village, lab: Lab, tmp_path: Path
) -> None:
    command, environment = outside
    village.make(Tiny("shop", "shop", {"size": "32MiB"}))
    village.runs("shop")
    before, had = theirs(scenario), disks(lab)

    run = [*command, "--seed", "1", "--faults", "power-off,update", "--only", "1,2"]
    done = subprocess.run(run, env=environment, capture_output=True, text=True, check=False, timeout=500)

    assert done.returncode == 0, done.stdout + done.stderr
    report = msgspec.json.decode((tmp_path / "report/chaos.json").read_bytes(), type=ChaosReport)
    assert [entry.wrong for entry in report.entries] == [(), ()]
    assert "power-off" in report.by_fault()
    assert report.acknowledged > 100
    assert (report.verdict, report.left) == ("pass", ())
    assert (theirs(scenario), disks(lab)) == (before, had)


def test_an_interrupt_while_a_node_is_off_brings_it_back_and_removes_everything(
    outside: tuple[list[str], dict[str, str]], scenario: Scenario, lab: Lab
) -> None:
    command, environment = outside
    before, had = theirs(scenario), disks(lab)

    run = [*command, "--faults", "power-off", "--for", "10m"]
    chaos = subprocess.Popen(run, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    end = time.monotonic() + 200
    while lab.power(WORKER) == "on":
        assert chaos.poll() is None
        assert time.monotonic() < end
        time.sleep(0.2)
    chaos.send_signal(signal.SIGINT)
    said, _ = chaos.communicate(timeout=300)

    assert chaos.returncode == 130, said
    assert "nothing is left, and all nodes are as before" in said
    assert lab.power(WORKER) == "on"
    assert (theirs(scenario), disks(lab)) == (before, had)


def test_what_may_not_be_broken_is_refused_and_nothing_is_made(
    outside: tuple[list[str], dict[str, str]], scenario: Scenario
) -> None:
    command, environment = outside
    before = theirs(scenario)
    for words, said in (
        (["--nodes", ""], "say --nodes a,b"),
        (["--nodes", "swarm09"], "--nodes names swarm09, which the swarm does not have"),
        (["--nodes", MANAGER], "swarm01 are 1 of 1 managers"),
        (["--context", "nobody"], "there is no Docker context 'nobody'"),
    ):
        done = subprocess.run([*command, *words], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert said in " ".join(done.stdout.split())
    assert theirs(scenario) == before
