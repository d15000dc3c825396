"""The Ansible role, played by a real ansible-playbook on a real dockerd. No task of the swarm starts: no image."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.ansible import PROJECT, Played, play
from tests.support.dockerd import OneNodeSwarm, one_node_swarm

PLAYBOOK = PROJECT / "deploy" / "ansible" / "site.yml"
PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def swarm() -> Iterator[OneNodeSwarm]:
    with one_node_swarm("ansible") as found:
        yield found


@dataclass(frozen=True)
class Site:
    """A manager and a worker, both this machine, each with files of its own."""

    swarm: OneNodeSwarm
    folder: Path

    def play(self, *words: str, **settings: object) -> Played:
        hosts = {
            name: {"reberth_environment": {key: str(self.folder / name / file) for key, file in FILES.items()}}
            for name in ("manager1", "worker1")
        }
        managers, workers = {"manager1": hosts["manager1"]}, {"worker1": hosts["worker1"]}
        known = {
            "ansible_connection": "local",
            "ansible_become": False,
            "ansible_python_interpreter": "/usr/bin/python3",
            "reberth_image": "registry.invalid/reberth:1",
            "reberth_config": '[storage]\ndriver = "lab"\n',
            "reberth_secrets": {"reberth-storage": PASSWORD},
            "reberth_wait": False,
            **settings,
        }
        groups = {"reberth_managers": {"hosts": managers}, "reberth_workers": {"hosts": workers}}
        inventory = self.folder / "inventory.json"
        inventory.write_text(json.dumps({"all": {"children": groups, "vars": known}}))
        played = play(PLAYBOOK, inventory, *words, environment={"DOCKER_HOST": self.swarm.url}, home=self.folder)
        assert PASSWORD not in played.text
        return played

    def files(self) -> list[str]:
        return sorted(str(each.relative_to(self.folder)) for name in ("manager1", "worker1") for each in
                      (self.folder / name).rglob("*") if each.is_file())  # fmt: skip

    def there(self) -> dict[str, list[str]]:
        kinds = ("config", "secret", "service")
        return {each: sorted(self.docker(each, "ls", "--format", "{{.Name}}").split()) for each in kinds}

    def docker(self, *words: str) -> str:
        return subprocess.run(
            ["docker", "-H", self.swarm.url, *words], capture_output=True, text=True, check=True
        ).stdout


FILES = {
    "REBERTH_SYSCTL_FILE": "sysctl.conf",
    "REBERTH_DAEMON_FILE": "daemon.json",
    "REBERTH_CLI_PLUGINS": "plugins",
}
NOTHING: dict[str, list[str]] = {"config": [], "secret": [], "service": []}


def test_the_role_installs_once_says_before_what_it_would_do_and_takes_it_away(
    swarm: OneNodeSwarm, tmp_path: Path
) -> None:
    site = Site(swarm, tmp_path)
    for name in ("manager1", "worker1"):
        (tmp_path / name).mkdir()

    said = site.play("--check")
    assert (said.code, said.changed) == (0, {"manager1": 3, "worker1": 1}), said.text
    assert (site.there(), site.files()) == (NOTHING, [])

    said = site.play()
    assert (said.code, said.changed) == (0, {"manager1": 4, "worker1": 1}), said.text
    services = ["reberth_controller", "reberth_node"]
    assert site.there() == {"config": ["reberth-config"], "secret": ["reberth-storage"], "service": services}
    node = ["daemon.json", "sysctl.conf"]
    wanted = [f"manager1/{each}" for each in (node[0], "plugins/docker-reberth", node[1])]
    assert site.files() == wanted + [f"worker1/{each}" for each in node]
    assert not list(Path("/tmp").glob("reberth-*/reberth.toml"))

    for words in ((), ("--check",)):
        said = site.play(*words)
        assert (said.code, said.changed) == (0, {"manager1": 0, "worker1": 0}), said.text

    said = site.play("--check", reberth_image="registry.invalid/reberth:2")
    assert said.changed["manager1"] == 1, said.text
    other = {"reberth_config": '[storage]\ndriver = "lab"\n[policy]\ngrace = 20.0\n', "reberth_image": ""}
    said = site.play(**other)
    assert (said.code, said.changed) == (0, {"manager1": 2, "worker1": 0}), said.text
    assert site.there()["config"] == ["reberth-config", "reberth-config-2"]

    said = site.play(reberth_state="absent")
    assert (said.code, said.changed) == (0, {"manager1": 1, "worker1": 0}), said.text
    assert site.there() == NOTHING


def test_what_the_script_refuses_ends_the_play_with_its_words(swarm: OneNodeSwarm, tmp_path: Path) -> None:
    site = Site(swarm, tmp_path)
    said = site.play("--limit", "manager1", reberth_config="", reberth_node=False, reberth_cli=False)
    assert (said.code != 0, "no settings yet: say --config FILE" in said.text) == (True, True), said.text
    assert site.there() == NOTHING
