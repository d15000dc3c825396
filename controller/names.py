"""Names and numbers that several programs must agree on. Pure."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

DRIVER = "reberth"  # what a stack file says in `driver:`, and so the name of the gate's plugin
VOLUME_CONFIG = "reberth.volume."  # and the volume's key: the Swarm Config with its record
LEADER_CONFIG = "reberth.leader"  # the Swarm Config that says who acts
DEFAULT_PORT = 7490  # of the controllers, on every manager
OPERATORS_PORT = 7492  # the same, for people with a certificate
MANAGER_NAME = "swarm-manager"  # a DNS name in every manager's certificate, in none of a worker's
MAX_NAME = 255  # characters of a volume's name: what Docker passes on to a volume plugin


def own_version() -> str:
    """Of the installed package; a working copy that is not installed has none."""
    try:
        return version("reberth")
    except PackageNotFoundError:
        return "unknown"
