"""`deploy/install.sh` against a real dockerd: what it makes, keeps, changes and removes. No task starts: no image."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.dockerd import OneNodeSwarm, one_node_swarm

SCRIPT = Path(__file__).resolve().parents[3] / "deploy" / "install.sh"
IMAGE = "registry.invalid/reberth:1"
BASE = ("--image", IMAGE, "--no-wait")


@pytest.fixture(scope="module")
def swarm() -> Iterator[OneNodeSwarm]:
    with one_node_swarm("install") as found:
        yield found


class Site:
    def __init__(self, swarm: OneNodeSwarm, folder: Path) -> None:
        self.swarm, self.folder = swarm, folder
        self.settings = folder / "reberth.toml"
        self.settings.write_text('[storage]\ndriver = "lab"\n')
        self.password = folder / "password.txt"
        self.password.write_text("correct horse")

    def script(self, *words: str, code: int = 0, more: Mapping[str, str] | None = None) -> str:
        environment = {**os.environ, "DOCKER_HOST": self.swarm.url, **(more or {})}
        command, closed = ["sh", str(SCRIPT), *words], subprocess.DEVNULL
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, stdin=closed)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def install(self, *words: str, code: int = 0) -> str:
        secret = f"reberth-storage={self.password}"
        return self.script(*BASE, "--config", str(self.settings), "--secret", secret, *words, code=code)

    def docker(self, *words: str) -> list[str]:
        command = ["docker", "-H", self.swarm.url, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    def there(self) -> dict[str, list[str]]:
        names = ("--format", "{{.Name}}")
        return {each: sorted(self.docker(each, "ls", *names)) for each in ("config", "secret", "service")}

    def clear(self) -> None:
        for each in self.docker("service", "ls", "-q"):
            self.docker("service", "rm", each)
        for kind in ("config", "secret"):
            for each in self.docker(kind, "ls", "-q"):
                self.docker(kind, "rm", each)


@pytest.fixture
def site(swarm: OneNodeSwarm, tmp_path: Path) -> Iterator[Site]:
    made = Site(swarm, tmp_path)
    yield made
    made.clear()


INSTALLED = {
    "config": ["reberth-config"],
    "secret": ["reberth-storage"],
    "service": ["reberth_controller", "reberth_node"],
}
NOTHING: dict[str, list[str]] = {"config": [], "secret": [], "service": []}


def test_a_dry_run_says_all_of_it_and_changes_nothing(site: Site) -> None:
    said = site.install("--dry-run")
    assert "make config reberth-config" in said
    assert "deploy the stack reberth" in said
    assert site.there() == NOTHING


def test_twice_is_once(site: Site) -> None:
    site.install()
    assert site.there() == INSTALLED
    said = site.install()
    assert "config reberth-config is kept" in said
    assert "secret reberth-storage is there already" in said
    assert site.there() == INSTALLED


def test_changed_settings_become_a_new_config_that_the_controllers_use(site: Site) -> None:
    site.install()
    site.settings.write_text(site.settings.read_text() + "[policy]\ngrace = 20.0\n")
    site.install()
    (service,) = json.loads(" ".join(site.docker("service", "inspect", "reberth_controller")))
    used = [each["ConfigName"] for each in service["Spec"]["TaskTemplate"]["ContainerSpec"]["Configs"]]
    assert used == ["reberth-config-2"]


def test_a_rotated_secret_is_made_under_a_new_name_and_used(site: Site) -> None:
    site.install()
    site.password.write_text("battery staple")
    site.install("--rotate")
    (service,) = json.loads(" ".join(site.docker("service", "inspect", "reberth_controller")))
    used = [each["SecretName"] for each in service["Spec"]["TaskTemplate"]["ContainerSpec"]["Secrets"]]
    assert used == ["reberth-storage-2"]


def test_the_operators_ca_is_given_to_the_controllers_and_goes_with_them(site: Site, tmp_path: Path) -> None:
    subprocess.run(["sh", str(SCRIPT.with_name("operators.sh")), "ca", "--folder", str(tmp_path / "o")], check=True)
    file = tmp_path / "o" / "operators.pem"
    site.install("--with", "operators", "--secret", f"reberth-operators={file}")
    (service,) = json.loads(" ".join(site.docker("service", "inspect", "reberth_controller")))
    spec = service["Spec"]["TaskTemplate"]["ContainerSpec"]
    assert "REBERTH_OPERATORS_FILE=/run/secrets/operators" in spec["Env"]
    assert "reberth-operators" in [each["SecretName"] for each in spec["Secrets"]]
    site.script("uninstall", "--yes")
    assert site.there() == NOTHING


def test_an_upgrade_needs_the_new_image_only_and_keeps_settings_and_secrets(site: Site) -> None:
    site.install()
    site.script("--image", "registry.invalid/reberth:2", "--no-wait")
    (service,) = json.loads(" ".join(site.docker("service", "inspect", "reberth_node")))
    assert service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"].startswith("registry.invalid/reberth:2")
    assert site.there() == INSTALLED


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--no-wait",), 1, "say --image IMAGE"),
        ((*BASE,), 1, "no settings yet: say --config FILE"),
        ((*BASE, "--config", "/nowhere.toml"), 1, "/nowhere.toml cannot be read"),
        ((*BASE, "--secret", "reberth-storage"), 2, "wants NAME=FILE"),
        ((*BASE, "--secret", "reberth-storage=/nowhere"), 1, "/nowhere cannot be read"),
        ((*BASE, "--with", "floppy"), 1, "there is no deploy/floppy.yml"),
        (("--colour",), 2, "unknown word '--colour'"),
        (("uninstall",), 1, "say --yes to do it without a terminal"),
    ],
)
def test_what_is_missing_or_wrong_is_said_and_nothing_is_made(
    site: Site, words: tuple[str, ...], code: int, said: str
) -> None:
    assert said in site.script(*words, code=code)
    assert site.there() == NOTHING


def test_a_swarm_whose_managers_are_all_drained_is_refused_since_no_controller_could_run(site: Site) -> None:
    (node,) = site.docker("node", "ls", "-q")
    site.docker("node", "update", "--availability", "drain", node)
    try:
        assert "no manager is active" in site.install(code=1)
    finally:
        site.docker("node", "update", "--availability", "active", node)


def test_uninstall_takes_all_but_the_records_which_go_on_request(site: Site) -> None:
    site.install()
    site.docker("config", "create", "--label", "reberth.kind=volume", "reberth.volume.v", str(site.settings))
    said = site.script("uninstall", "--yes")
    assert "records of 1 volume(s) stay" in said
    assert site.there() == NOTHING | {"config": ["reberth.volume.v"]}
    site.script("uninstall", "--yes", "--records")
    assert site.there() == NOTHING


def test_uninstall_is_refused_while_a_service_uses_a_volume(site: Site) -> None:
    mount = "type=volume,source=v,target=/d,volume-driver=reberth"
    site.docker("service", "create", "--detach", "--name", "db", "--mount", mount, IMAGE)
    assert "db" in site.script("uninstall", "--yes", code=1)


def test_a_node_gets_its_settings_once_and_keeps_its_own(site: Site) -> None:
    sysctl, daemon = site.folder / "sysctl.conf", site.folder / "daemon.json"
    daemon.write_text('{"log-driver": "journald"}')
    files = {"REBERTH_SYSCTL_FILE": str(sysctl), "REBERTH_DAEMON_FILE": str(daemon)}
    site.script("node", "--dry-run", more=files)
    assert not sysctl.exists()
    site.script("node", more=files)
    site.script("node", more=files)
    assert sysctl.read_text() == "net.ipv4.tcp_retries2 = 5\n"
    assert json.loads(daemon.read_text()) == {"log-driver": "journald", "shutdown-timeout": 90}


def test_a_broken_daemon_json_is_left_as_it_is(site: Site) -> None:
    sysctl, daemon = site.folder / "sysctl.conf", site.folder / "daemon.json"
    daemon.write_text('{"log-driver": ')
    files = {"REBERTH_SYSCTL_FILE": str(sysctl), "REBERTH_DAEMON_FILE": str(daemon)}
    assert "is not JSON" in site.script("node", code=1, more=files)
    assert daemon.read_text() == '{"log-driver": '


@pytest.mark.parametrize("option", ["userns", "rootless"])
def test_a_docker_that_cannot_have_reberth_is_refused_before_anything_is_made(
    site: Site, tmp_path: Path, option: str
) -> None:
    """Swarm would reject each task, with a word about host networking: no doctor ever runs there."""
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    told = f"*SecurityOptions*) echo '[name=seccomp,profile=builtin name={option}]' ;;"
    docker.write_text(f'#!/bin/sh\ncase "$*" in {told} *) exec {shutil.which("docker")} "$@" ;; esac\n')
    docker.chmod(0o755)
    more = {"PATH": f"{docker.parent}:{os.environ['PATH']}"}
    said = site.script(*BASE, "--config", str(site.settings), code=1, more=more)
    assert {"userns": "remaps user namespaces", "rootless": "runs rootless"}[option] in said
    assert site.there() == NOTHING
