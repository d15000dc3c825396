"""What people see of a status and of moves: names and numbers whole, in a terminal as in a pipe."""

from __future__ import annotations

import io

from msgspec.structs import replace
from rich.console import Console

from controller.cli.show import show_snapshots, show_status
from controller.model import QuotaUse
from controller.protocol.views import NodeLine, SnapshotsView, SnapshotView, StatusView, VolumeLine

VM = "80daf072-36c0-48f1-ba2e-291ceb79bd8d"
DISK = "postgres-data-f6e04a27f909-4f98d8b1"
WHY = "Volume shop may be mounted on node swarm04 (VM 4e5a8bae), which is down; its VM is seen 'on'. Waiting for it."
STATUS = StatusView(
    1,
    "swarm01",
    None,
    0.0,
    (
        VolumeLine("postgres-data", "swarm01", VM, "ok", "is where its task runs", service="db", disk=DISK),
        VolumeLine("shop", "swarm04", VM, "waiting", WHY),
    ),
    (NodeLine("swarm01", "n1", "ready", VM, "running", 1.0),),
)


def drawn(width: int) -> list[str]:
    out = io.StringIO()
    show_status(Console(file=out, width=width), STATUS)
    return out.getvalue().splitlines()


def test_in_a_narrow_terminal_names_stay_whole_and_only_reasons_are_broken() -> None:
    lines = drawn(80)
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert any(line.split()[:3] == ["postgres-data", "swarm01", "ok"] for line in lines)
    assert any(VM in line for line in lines)


def test_where_all_is_well_no_reason_takes_room_and_wide_has_it() -> None:
    assert not any("is where its task runs" in line for line in drawn(80))
    (row,) = (line for line in drawn(4000) if line.startswith("postgres-data"))
    assert "is where its task runs" in row
    assert DISK in row


def test_in_a_pipe_a_volume_is_one_line_with_its_whole_reason() -> None:
    assert next(line for line in drawn(2000) if line.startswith("shop")).endswith(WHY)


def test_what_is_taken_of_each_quota_is_a_line() -> None:
    out = io.StringIO()
    full = QuotaUse("shop_*", 2 << 30, 2, 2 << 30, 3, full=True)
    show_status(
        Console(file=out, width=2000),
        replace(STATUS, quotas=(full, QuotaUse("a=b", 1 << 29, 1, None, None, full=False))),
    )
    lines = out.getvalue().splitlines()
    assert "Quota shop_*: 2 of 2 GiB, 2 of 3 volumes: nothing more is made" in lines
    assert "Quota a=b: 0.5 GiB, 1 volumes" in lines


def test_snapshots_are_a_line_each_with_what_keeps_them() -> None:
    out = io.StringIO()
    first = SnapshotView("data", "nightly", "there", 0.0, 1 << 30, restoring=True)
    second = SnapshotView("data", "late", "failed", 0.0, 1 << 30, why="no room")
    show_snapshots(Console(file=out, width=200), SnapshotsView((first, second)))
    show_snapshots(Console(file=out, width=200), SnapshotsView())
    head, one, two, none = out.getvalue().splitlines()

    assert head.split() == ["VOLUME", "SNAPSHOT", "STATE", "TIME", "SIZE", "REASON"]
    assert "there, being restored" in one
    assert two.rstrip().endswith("1 GiB  no room")
    assert none == "No snapshots."
