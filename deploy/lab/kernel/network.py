"""The lab's bridge, the nodes' cables and the machine's packet filter. All by names that Layout gives."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import sys
from pathlib import Path

from deploy.lab.names import LabError, LabSpec, Layout

_CHAINS = (("INPUT", "-i"), ("FORWARD", "-i"), ("FORWARD", "-o"))
WIRE = "deploy.lab.kernel.slow_wire"
_DISABLED, _FORWARDING = "0", "3"  # bridge(8): state of a port


def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program; its own words become the error. Raises LabError."""
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise LabError(f"`{' '.join(arguments)}` failed: {done.stderr.strip() or done.stdout.strip()}")
    return done


def exists(interface: str) -> bool:
    return Path("/sys/class/net", interface).exists()


def interfaces(layout: Layout) -> list[str]:
    """Our interfaces that are on the machine now."""
    return sorted(path.name for path in Path("/sys/class/net").glob(f"{layout.bridge}*"))


def check_free(spec: LabSpec, layout: Layout) -> None:
    """Raises LabError when the machine uses the subnet already."""
    for link in json.loads(run("ip", "-json", "-4", "address").stdout):
        for entry in link.get("addr_info", ()):
            other = ipaddress.IPv4Network(f"{entry['local']}/{entry['prefixlen']}", strict=False)
            if link["ifname"] != layout.bridge and other.overlaps(spec.network):
                raise LabError(
                    f"The subnet {spec.subnet} overlaps {other} of {link['ifname']}: "
                    "give the lab another one (--subnet)."
                )


def make_bridge(spec: LabSpec, layout: Layout) -> None:
    if exists(layout.bridge):
        return
    check_free(spec, layout)
    run("ip", "link", "add", layout.bridge, "type", "bridge")
    run("ip", "address", "add", f"{spec.gateway}/{spec.network.prefixlen}", "dev", layout.bridge)
    run("ip", "link", "set", layout.bridge, "up")
    for chain, direction in _CHAINS:
        # A machine with Docker drops what it forwards, between the ports of a bridge too (br_netfilter).
        run("iptables", "--wait", "-I", chain, direction, layout.bridge, "-j", "ACCEPT", check=False)


def plug(layout: Layout, node: str, address: str, init: int) -> None:
    """Put a cable between the bridge and the node's namespaces."""
    unplug(layout, node)
    mac = "02:72:" + ":".join(f"{byte:02x}" for byte in ipaddress.IPv4Address(address).packed)
    veth = layout.veth(node)
    run(*f"ip link add {veth} type veth peer name eth0 address {mac} netns {init}".split())
    run(*f"ip link set {veth} master {layout.bridge} up".split())


def unplug(layout: Layout, node: str) -> None:
    """Both ends of the cable are gone at once; nobody on the network hears a goodbye."""
    if exists(layout.veth(node)):
        run("ip", "link", "delete", layout.veth(node), check=False)


def cut(layout: Layout, node: str) -> None:
    """Nothing passes the bridge's port any more, although the node still sees a carrier: as a failed switch does."""
    run("bridge", "link", "set", "dev", layout.veth(node), "state", _DISABLED)


def heal(layout: Layout, node: str) -> None:
    run("bridge", "link", "set", "dev", layout.veth(node), "state", _FORWARDING)


def slow(layout: Layout, node: str, seconds: float, jitter: float) -> None:
    """Put a wire that delays between the node's cable and the bridge: each way so long, and up to ``jitter`` more."""
    quicken(layout, node)
    cable = layout.veth(node)
    ours, bridged = _wire(cable)
    run(*f"ip link add {ours} type veth peer name {bridged}".split())
    for end in (cable, ours):  # the machine itself must not answer there
        run(*f"ip link set {end} arp off up".split())
    run(*f"ip link set {cable} nomaster".split())
    run(*f"ip link set {bridged} master {layout.bridge} up".split())
    subprocess.run(
        ["setsid", "--fork", sys.executable, "-m", WIRE, cable, ours, str(seconds), str(jitter)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
        check=True,
    )


def quicken(layout: Layout, node: str) -> None:
    """The wire ends with its interface, and the cable is in the bridge again."""
    cable = layout.veth(node)
    ours, _ = _wire(cable)
    if not exists(ours):
        return
    run("ip", "link", "delete", ours, check=False)
    if exists(cable):
        run(*f"ip link set {cable} arp on master {layout.bridge} up".split())


def _wire(cable: str) -> tuple[str, str]:
    return f"{cable}a", f"{cable}b"


def remove(layout: Layout) -> None:
    for name in interfaces(layout):
        run("ip", "link", "delete", name, check=False)
    for rule in filter_rules(layout):
        run("iptables", "--wait", "-D", *rule.split()[1:], check=False)


def filter_rules(layout: Layout) -> list[str]:
    """Our rules, as ``iptables -S`` prints them."""
    try:
        listed = run("iptables", "--wait", "-S", check=False).stdout
    except FileNotFoundError:
        return []
    return [line for line in listed.splitlines() if layout.bridge in line.split()]
