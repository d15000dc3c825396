"""
Load for PostgreSQL beside the ledger, with pgbench's transaction: money moves between accounts, tellers and branches.

Whatever breaks, each transaction is there whole or not at all: so the four sums agree.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import psycopg

from deploy.drill.workload.client import Target
from deploy.drill.workload.connections import first_open

ACCOUNTS, TELLERS = 1000, 10
PAUSE = 0.05  # seconds between two transactions of a client: the machine has other things to do
ANSWER = 15.0  # seconds
TABLES = ("account", "teller", "branch")
LOCK = 7_020_001  # one client makes the tables
_SETUP = f"""
SELECT pg_advisory_xact_lock({LOCK});
CREATE TABLE IF NOT EXISTS bank_account (id int PRIMARY KEY, balance bigint NOT NULL, filler char(84) DEFAULT '');
CREATE TABLE IF NOT EXISTS bank_teller (id int PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE IF NOT EXISTS bank_branch (id int PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE IF NOT EXISTS bank_history (account int, teller int, delta bigint NOT NULL, at timestamptz DEFAULT now());
INSERT INTO bank_account SELECT n, 0 FROM generate_series(1, {ACCOUNTS}) n ON CONFLICT DO NOTHING;
INSERT INTO bank_teller SELECT n, 0 FROM generate_series(1, {TELLERS}) n ON CONFLICT DO NOTHING;
INSERT INTO bank_branch VALUES (1, 0) ON CONFLICT DO NOTHING;
"""  # noqa: S608 -- no word of it comes from elsewhere
_SUMS = """
SELECT (SELECT count(*) FROM bank_history), (SELECT coalesce(sum(delta), 0) FROM bank_history),
       (SELECT sum(balance) FROM bank_account), (SELECT sum(balance) FROM bank_teller),
       (SELECT sum(balance) FROM bank_branch)
"""


def judge(moved: int, history: int, sums: Mapping[str, int], acknowledged: int) -> Iterator[str]:
    """Sentences. ``moved``: rows of the history; ``acknowledged``: transactions whose commit was answered."""
    for name, found in sums.items():
        if found != history:
            yield f"the bank's {name} sum is {found}, its history says {history}"
    if moved < acknowledged:
        yield f"{acknowledged - moved} acknowledged transactions of the bank are lost"


@dataclass(slots=True)
class Bank:
    """So many clients, each in a thread of its own, until it is closed."""

    target: Target
    clients: int
    acknowledged: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Bank:
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self.clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(ANSWER)

    def _work(self) -> None:
        while not self._over.wait(1.0):
            with suppress(psycopg.Error, OSError), self._connect() as connection:
                with connection.transaction():
                    connection.execute(_SETUP)
                while not self._over.wait(PAUSE):
                    self._move(connection)

    def _move(self, connection: psycopg.Connection[Any]) -> None:
        account, teller = random.randint(1, ACCOUNTS), random.randint(1, TELLERS)  # noqa: S311 -- no secret
        delta = random.randint(-5000, 5000)  # noqa: S311
        with connection.transaction():
            connection.execute("UPDATE bank_account SET balance = balance + %s WHERE id = %s", [delta, account])
            connection.execute("UPDATE bank_teller SET balance = balance + %s WHERE id = %s", [delta, teller])
            connection.execute("UPDATE bank_branch SET balance = balance + %s", [delta])
            connection.execute(
                "INSERT INTO bank_history (account, teller, delta) VALUES (%s, %s, %s)", [account, teller, delta]
            )
        with self._lock:
            self.acknowledged += 1

    def _connect(self) -> psycopg.Connection[Any]:
        target = self.target
        return psycopg.connect(
            host=first_open(target.addresses, target.port, 1.0),
            port=target.port,
            user=target.user,
            password=target.password,
            dbname=target.database,
            connect_timeout=2,
            autocommit=True,
            tcp_user_timeout=int(ANSWER * 1000),
            options="-c statement_timeout=30s",
        )

    def audit(self) -> tuple[str, ...]:
        """Sentences. Raises psycopg.Error and OSError while it cannot be read."""
        with self._lock:
            acknowledged = self.acknowledged  # before the look: what is acknowledged meanwhile may be in it, too
        if not acknowledged:
            return ()
        with self._connect() as connection:
            row = connection.execute(_SUMS).fetchone() or (0, 0, 0, 0, 0)
        moved, history, *sums = (int(each) for each in row)
        return tuple(judge(moved, history, dict(zip(TABLES, sums, strict=True)), acknowledged))
