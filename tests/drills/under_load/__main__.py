"""
All rounds on one lab, a line each; ends with 1 where a byte is lost or a round does not come to its end. With the word
``grow`` or ``snapshot`` only those.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from deploy.drill.errors import DrillError
from deploy.drill.interrupts import interruptible
from deploy.drill.swarm.cluster import Trouble
from tests.drills.day.swarm import Service, Swarm, standing
from tests.drills.under_load.rounds import COPIES, GROWTHS, VICTIMS, Round, Site
from tests.drills.under_load.writer import Writer

OPTIONS = {"small": {"size": "256MiB"}, "large": {"size": "512MiB", "fstype": "xfs"}}
CHANGES = ("grow", "snapshot")
WHERE = ("node.role==worker", "node.labels.reberth!=down")


def rounds() -> Iterator[tuple[Round, str]]:
    """Each with one of the volumes, in turns; the file system's own growth with both."""
    number = 0
    for change, points in (("grow", GROWTHS), ("snapshot", COPIES)):
        for point in points:
            for victim in VICTIMS:
                number += 1
                yield Round(change, point, victim), ("small", "large")[(number + number // 3) % 2]
    for volume in OPTIONS:
        yield from ((Round("grow", None, victim), volume) for victim in VICTIMS)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="reberth-load-") as folder, standing(Path(folder), proxy=True) as swarm:
        services = [Service(volume, volume, options, WHERE) for volume, options in OPTIONS.items()]
        swarm.deploy("load", *services)
        writers = {volume: Writer(swarm, f"load_{volume}") for volume in OPTIONS}
        for writer in writers.values():
            writer.start()
        try:
            return _all(Site(swarm, writers))
        finally:
            for writer in writers.values():
                writer.stop()


def _all(site: Site) -> int:
    failed = 0
    for turn, volume in (each for each in rounds() if each[0].change in (sys.argv[1:] or CHANGES)):
        since, why = time.monotonic(), ""
        try:
            site.run(turn, volume)
        except (AssertionError, ValueError, DrillError, OSError, *Trouble) as error:
            why = f"{type(error).__name__}: {error}"
        bad = bool(why or turn.lost or turn.lost_in_copy or not turn.hit)
        failed += bad
        words = f"{turn.change:8} {turn.point or 'file-system'!s:18} {turn.victim:10} {volume:5}"
        counted = f"acked {turn.acked} lines, lost {turn.lost} B, in the snapshot {turn.lost_in_copy} B"
        print(f"{words} {time.monotonic() - since:5.0f} s  {counted}  [{turn.hit or 'NOBODY HIT'}] {why}", flush=True)  # noqa: T201
    print(f"{'FAILED' if failed else 'passed'}: {failed} rounds bad, {_strays(site.swarm)}")  # noqa: T201 -- a report
    return 1 if failed else 0


def _strays(swarm: Swarm) -> str:
    known = {each["disk"] for each in swarm.asked("status")["volumes"]}
    left = {each["id"] for each in swarm.lab.host.call("GET", "/v1/disks")} - known
    return f"disks that nobody knows: {sorted(left) or 'none'}"


if __name__ == "__main__":
    with interruptible():
        sys.exit(main())
