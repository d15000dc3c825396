"""
The story that a drill on virtual machines tells: a table "user" with some rows, and after the loss of the machine they
are still there, and no page of the database is damaged.
"""

from __future__ import annotations

from deploy.drill.errors import DrillError
from deploy.drill.lab_protocols import VirtualMachineLab
from deploy.drill.swarm.cluster import Trouble
from deploy.drill.swarm.scenario import Scenario

ROWS = ("1|Ada", "2|Grace", "3|Barbara", "4|Frances")
_TELL = """\
CREATE TABLE IF NOT EXISTS "user" (id integer PRIMARY KEY, name text NOT NULL);
INSERT INTO "user" VALUES (1, 'Ada'), (2, 'Grace'), (3, 'Barbara'), (4, 'Frances') ON CONFLICT DO NOTHING;
CREATE EXTENSION IF NOT EXISTS amcheck;
"""
_ASK = 'SELECT id, name FROM "user" ORDER BY id'
_PSQL = ("psql", "-U", "postgres", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c")
# Every table and every index, each index entry compared with the table.
_AMCHECK = ("pg_amcheck", "-U", "postgres", "--all", "--heapallindexed", "--no-password")


def tell(scenario: Scenario) -> None:
    """Raises DrillError. Nothing on a lab without virtual machines: its drills have a ledger only."""
    if isinstance(scenario.lab, VirtualMachineLab):
        code, _, error = _run(scenario, *_PSQL, _TELL)
        if code != 0:
            raise DrillError(f'the table "user" cannot be made: {error.strip()}')


def objections(scenario: Scenario) -> tuple[str, ...]:
    """What is not as it was told, one sentence each."""
    if not isinstance(scenario.lab, VirtualMachineLab):
        return ()
    try:
        found = judge(_run(scenario, *_PSQL, _ASK))
        code, out, error = _run(scenario, *_AMCHECK)
    except (*Trouble, DrillError) as trouble:
        return (f'the table "user" could not be read: {trouble}',)
    if code != 0 or out.strip():
        found = (*found, f"pg_amcheck is not content: {(out + error).strip()[-1000:]}")
    return found


def judge(answer: tuple[int | None, str, str]) -> tuple[str, ...]:
    """Pure: what is wrong with an answer to the question for the rows."""
    code, out, error = answer
    rows = tuple(out.split())
    if code != 0:
        return (f'the table "user" cannot be read: {error.strip()}',)
    return () if rows == ROWS else (f'the table "user" has other rows than before: {", ".join(rows) or "none"}',)


def _run(scenario: Scenario, *command: str) -> tuple[int | None, str, str]:
    place = scenario.cluster.place()
    code, out, error = scenario.cluster.run(place.node, place.container, *command)
    return code, out.decode(errors="replace"), error
