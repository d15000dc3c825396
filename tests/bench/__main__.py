"""All measurements, the quick ones first, and one table at the end: `make bench`. Nothing is asserted."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

from tests.bench.failover.results import LABELLED, MEANING, PLAIN, STATELESS, Round, ratios, seconds, spread
from tests.bench.gates import Spoken
from tests.bench.reaction import Reaction
from tests.bench.reconcile import Measured
from tests.bench.table import Row, load, median, say, table
from tests.bench.volumes import Moved

T = TypeVar("T")
REPEAT = 3


def ask(form: type[T], module: str, *words: str) -> T:
    """One measurement in a process of its own: its memory is its own, and so is what it broke."""
    command = [sys.executable, "-m", f"tests.bench.{module}", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=form)


def reconciles() -> Iterator[Row]:
    for name, words in (
        ("one reconcile, 1,000 nodes, 2,000 volumes", ()),
        ("the same, Docker sends all 10,000 tasks", ("--mounting",)),
    ):
        found = ask(Measured, "reconcile", *words)
        seen = f"{median(found.cpu):.0f} ms of CPU, {median(found.wall):.0f} ms"
        yield Row(name, seen, "100 ms", f"nothing to do; median of {len(found.cpu)}; {load()}")
        yield Row("  memory", f"{found.peak:.0f} MiB", "200 MB", f"peak of the process, {found.before:.0f} empty")
        yield Row("  idle", f"{median(found.cpu) / 150:.2f} % of a core", "1 %", "one look each 15 s; without gates")


def reactions() -> Iterator[Row]:
    for name, words in (("node event to first storage call", ()), ("  in the large swarm", ("--large",))):
        found = [ask(Reaction, "reaction", *words) for _ in range(REPEAT)]
        wall, cpu = median([each.wall for each in found]), median([each.cpu for each in found])
        yield Row(name, f"{wall:.0f} ms, {cpu:.0f} of CPU", "50 ms", f"records in memory; of {REPEAT}; {load()}")


def gates() -> Iterator[Row]:
    found = ask(Spoken, "gates")
    each = f"{median(found.cpu):.2f} ms of CPU for each sign of life; {load()}"
    yield Row("gates of 1,000 nodes speak", f"{found.idle:.1f} % of a core", "0.3 %", each)


def volumes() -> Iterator[Row]:
    found = [ask(Moved, "volumes") for _ in range(REPEAT)]
    one, many = median([each.one for each in found]), median([each.many for each in found])
    how = f"lab driver, real loop devices; medians of {REPEAT}; {load()}"
    yield Row("60 volumes on one dead node / 1", f"{many / one:.1f} ({many:.1f} s, {one:.1f} s)", "1.5", how)


def failovers(rounds: int) -> Iterator[Row]:
    found = ask(list[Round], "failover", "--rounds", str(rounds), "--delays", "5s")
    how = f"a follower, Swarm's defaults; of {rounds}; {load()}"
    goals = {STATELESS: "", PLAIN: "", LABELLED: "7 s"}
    for name, goal in goals.items():
        yield Row(f"power-off to commits: {MEANING[name]}", f"{spread(seconds(found, name)) or 'none'} s", goal, how)
    for name, goal in ((PLAIN, "1.05"), (LABELLED, "0.35")):
        many = spread(ratios(found, name))
        yield Row(f"  {name} / stateless", "none" if many is None else f"{many.median:.2f}", goal, "of each round")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3, help="failovers in the lab; 0 leaves the lab out")
    chosen = options.parse_args()
    rows = [*collect(reconciles()), *collect(reactions()), *collect(gates())]
    if chosen.rounds:
        rows += collect(volumes())
        rows += collect(failovers(chosen.rounds))
    say("\n" + table(rows))


def collect(found: Iterator[Row]) -> Sequence[Row]:
    rows = []
    for row in found:
        say(f"{row.what}: {row.seen}")
        rows.append(row)
    return rows


if __name__ == "__main__":
    main()
