"""
What the gate is as a Docker plugin: its config.json, what of the image goes into it, when it is changed. Pure.

dockerd 20.10 panics at each start if a plugin that has volumes cannot start. So nothing in the config may be missing
on a node: the only bind sources are /dev, Docker's own root directory and the one of its plugins, and in the lab a
folder that the lab makes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from controller.names import DRIVER

REFERENCE = f"{DRIVER}:latest"  # answers to `driver: reberth`
DRIVER_NAMES = frozenset({DRIVER, REFERENCE})
VOLUMES = "/mnt/volumes"  # the propagated mount: what the gate mounts below shows in containers
CONTENT = "REBERTH_CONTENT"  # the plugin's environment variable that says what it was made from

# The node service's variables that the gate gets too.
PASSED_ON = ("REBERTH_PORT", "REBERTH_VM_UUID_FILE", "REBERTH_BOOT_ID_FILE", "REBERTH_LOG_LEVEL")

# What of the image the gate has no use for: what is the container's own, caches, documents, and the large things that
# only package tools, xfs_scrub and the controller's drivers need. Docker compresses the rest, with one core, when it
# makes the plugin.
_LEFT_OUT = re.compile(
    r"root/\..+"
    r"|(proc|sys|dev|run|tmp|docker|boot|media|srv|home"
    r"|var/(cache|log|tmp|backups|lib/apt|lib/dpkg|lib/systemd)"
    r"|usr/share/(doc|man|info|locale|lintian|bash-completion|zoneinfo|polkit-1|perl|perl5|python-wheels|pixmaps)"
    r"|usr/(include|src|games|lib/(apt|dpkg|python3\.[0-9]+/(ensurepip|idlelib|lib2to3|pydoc_data|test|tkinter)))"
    r"|usr/lib/[a-z0-9_]+-linux-gnu/(perl|perl-base|perl5|gconv)"
    r"|opt/reberth/lib/python3\.[0-9]+/site-packages/(pyVmomi|pyVim|hatchling|pip|pygments|pydantic|pydantic_core|aiodocker)"
    r")/.+"
    r"|usr/lib/[a-z0-9_]+-linux-gnu/lib(icu[a-z0-9]+|perl|apt-pkg|apt-private)\.so.*"
    r"|usr/bin/perl.*"
)


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """What differs from node to node, or between the lab and a real machine."""

    docker_root: str  # DockerRootDir of `docker info`: holds the node's Swarm certificates
    environment: Mapping[str, str]
    machine_folder: str | None = None  # REBERTH_MACHINE_FOLDER: exists on every boot, holds the lab's identity files
    luns: bool = False  # REBERTH_LUNS=1: the gate registers keys on LUNs (docs/luns.md)


def plugin_config(settings: PluginSettings, content: str) -> dict[str, object]:
    """The plugin's config.json. Its content label makes an upgrade of everything that changes it."""
    mounts = [
        # rslave: a disk plugged in later shows, and nothing that the gate mounts there gets out.
        _mount("dev", "/dev", "/dev", "rbind", "rslave"),
        # Not rbind: the gate must not hold the mounts of all containers. The root directory and not the certificates'
        # own folder, because that one is missing on a node that left its swarm.
        _mount("docker", settings.docker_root, "/docker", "bind", "ro", "private"),
        # Where dockerd keeps its plugins, so it is there when one starts; it takes folders of other names for none of
        # its own. The gate's memory there outlives the plugin: `docker plugin rm -f` does not end containers.
        _mount("plugins", f"{settings.docker_root}/plugins", "/plugins", "bind", "rw", "private"),
    ]
    if settings.machine_folder is not None:
        folder = settings.machine_folder
        mounts.append(_mount("machine", folder, folder, "rbind", "ro", "rslave"))
    environment = {**settings.environment, CONTENT: content}
    # RAWIO: the kernel lets nobody else read which keys are registered on a LUN (SG_IO).
    capabilities = ["CAP_SYS_ADMIN", "CAP_SYS_RAWIO"] if settings.luns else ["CAP_SYS_ADMIN"]
    return {
        "description": "Reberth's gate: a container waits until its volume's disk is there",
        "documentation": "README.md of the project",
        "interface": {"types": ["docker.volumedriver/1.0"], "socket": "reberth.sock"},
        "entrypoint": ["/opt/reberth/bin/reberth", "gate"],
        "workdir": "/",
        "network": {"type": "host"},
        "propagatedMount": VOLUMES,
        "linux": {"capabilities": capabilities, "allowAllDevices": True, "devices": None},
        "mounts": mounts,
        "env": [{"name": name, "value": value, "settable": None} for name, value in sorted(environment.items())],
        "args": {"name": "", "description": "", "settable": None, "value": []},
    }


def _mount(name: str, source: str, destination: str, *options: str) -> dict[str, object]:
    return {
        "name": name,
        "description": "",
        "source": source,
        "destination": destination,
        "type": "bind",
        "options": list(options),
        "settable": None,
    }


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of the node service's environment that is meant for the gate."""
    return {name: environment[name] for name in PASSED_ON if environment.get(name)}


def left_out(path: str) -> bool:
    """Whether a path of the image (relative to the root) stays out of the plugin. Folders themselves stay in, empty."""
    return _LEFT_OUT.fullmatch(path) is not None


def mount_points(mountinfo: str) -> frozenset[str]:
    """Paths (relative to the root) on which something is mounted, from /proc/self/mountinfo: not part of the image."""
    points = (line.split(" ")[4] for line in mountinfo.splitlines() if line)
    return frozenset(_unescaped(point).strip("/") for point in points) - {""}


def own_container(mountinfo: str) -> str | None:
    """The container that this process is in: Docker mounts its host name from a folder named by the container's ID."""
    found = re.search(r"/containers/([0-9a-f]{64})/", mountinfo)
    return None if found is None else found[1]


def _unescaped(path: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), path)


@dataclass(frozen=True, slots=True)
class Installed:
    """The plugin as dockerd has it."""

    enabled: bool
    content: str  # empty: not made by us


class Step(Enum):
    """What the node service does about the plugin next."""

    NOTHING = "nothing"
    CREATE = "create"
    ENABLE = "enable"
    REPLACE = "replace"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Decision:
    step: Step
    why: str


def decide(installed: Installed | None, content: str, users: tuple[str, ...]) -> Decision:
    """
    What to do. ``users`` are the containers (not ended) on this node that have a volume of ours.

    A gate that starts remembers what was in use, and calls nothing unmounted that it has not looked at. So one that was
    disabled is enabled again whatever runs. It is not exchanged while a container uses a volume: nobody could mount or
    unmount meanwhile.
    """
    if installed is None:
        create = Decision(Step.CREATE, "there is no gate on this node yet")
        return create if not users else Decision(Step.WAIT, _waiting(installed, users))
    current = installed.content == content
    if not installed.enabled and (users or current):
        return Decision(Step.ENABLE, "the gate was disabled")
    if current:
        return Decision(Step.NOTHING, "running")
    if users:
        return Decision(Step.WAIT, _waiting(installed, users))
    return Decision(Step.REPLACE, "the gate was made from another image or other settings")


def _waiting(installed: Installed | None, users: tuple[str, ...]) -> str:
    who = ", ".join(users[:3]) + (" ..." if len(users) > 3 else "")
    if installed is None:
        return f"missing; it is made again when the containers that use its volumes have ended: {who}"
    return f"running, an upgrade waits until the containers that use its volumes have ended: {who}"
