"""A swarm of which only what Docker tells is known: nodes and services in its own JSON."""

from __future__ import annotations

from typing import Any


def node(name: str, role: str = "manager", state: str = "ready", availability: str = "active") -> dict[str, Any]:
    reach = {"ManagerStatus": {"Reachability": "reachable", "Addr": f"{name}:2377"}} if role == "manager" else {}
    return {
        "ID": f"id-{name}",
        "Description": {"Hostname": name},
        "Spec": {"Role": role, "Availability": availability},
        "Status": {"State": state},
        **reach,
    }


def service(name: str, labels: dict[str, str] | None = None, port: int | None = None) -> dict[str, Any]:
    ports = [{"PublishedPort": port, "PublishMode": "ingress"}] if port else None
    return {"Spec": {"Name": name, "Labels": labels}, "Endpoint": {"Ports": ports}}
