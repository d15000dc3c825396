"""
The client of a drill: commits numbered rows one by one and keeps its own list of what was acknowledged.

It looks for PostgreSQL on every node's address, as an application with several hosts in its connection string does, and
never sends a number twice: a row whose answer was lost stays in doubt.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from uuid import uuid4

import psycopg

from deploy.drill.errors import DrillError
from deploy.drill.workload.compare import Comparison, compare
from deploy.drill.workload.connections import Cutter, first_open

TABLE = """
CREATE TABLE IF NOT EXISTS ledger (
    id bigint PRIMARY KEY,
    run uuid NOT NULL,
    server text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
)"""
INSERT = "INSERT INTO ledger (id, run, server) VALUES (%s, %s, %s)"
FACTS = """
SELECT extract(epoch FROM pg_postmaster_start_time())::float8,
       (SELECT system_identifier::text FROM pg_control_system()),
       current_setting('fsync'), current_setting('synchronous_commit'), current_setting('server_version')"""
SETTLE_SECONDS = 30.0  # to find PostgreSQL for the comparison
CONNECT_SECONDS = 1.0  # for the TCP connection
ANSWER_SECONDS = 2.0  # a commit that takes longer is given up as in doubt
PAUSE = 0.02  # between two commits, and between two rounds of looking for the server


class NotDurable(DrillError):
    """PostgreSQL is set up to lose commits: the drill would measure nothing."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where PostgreSQL may answer."""

    addresses: tuple[str, ...]
    password: str
    port: int = 5432
    user: str = "postgres"
    database: str = "postgres"


@dataclass(frozen=True, slots=True)
class Server:
    """One run of PostgreSQL, as a connection found it."""

    address: str
    started: float  # unix seconds: another value after every start
    identity: str  # the cluster's system identifier: the same data as long as it is the same
    version: str


@dataclass(frozen=True, slots=True)
class Commit:
    number: int
    at: float  # unix seconds, when the answer was in the client's hands
    server: Server


class CommitLog:
    """What the client knows. Written by the client's thread, read by the drill's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._attempted: list[int] = []
        self._commits: list[Commit] = []

    def attempt(self) -> int:
        """A new number: noted before it is sent."""
        with self._lock:
            number = len(self._attempted) + 1
            self._attempted.append(number)
            return number

    def acknowledge(self, number: int, at: float, server: Server) -> None:
        with self._lock:
            self._commits.append(Commit(number, at, server))

    def commits(self, since: float = 0.0) -> tuple[Commit, ...]:
        with self._lock:
            return tuple(commit for commit in self._commits if commit.at >= since)

    def last(self) -> Commit | None:
        with self._lock:
            return self._commits[-1] if self._commits else None

    def compare(self, read: Callable[[], Sequence[int]]) -> Comparison:
        """
        ``read`` gives the table's numbers. The client may go on meanwhile: what was acknowledged before the table is
        read must be in it, and what was attempted until after that may be.
        """
        acknowledged = [commit.number for commit in self.commits()]
        present = read()
        with self._lock:
            attempted = list(self._attempted)
        return compare(attempted, acknowledged, present)


class CommitClient:
    """A thread that commits until it is stopped. Use as a context manager."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.run = uuid4()
        self.journal = CommitLog()
        self.problem = "not connected yet"  # the last reason why it does not commit
        self._base = 0
        self._stop = threading.Event()
        self._cutter = Cutter()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="drill-client", daemon=True)

    def __enter__(self) -> Self:
        self._cutter.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends within about ``ANSWER_SECONDS``; safe to call twice."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10 * ANSWER_SECONDS)
        self._cutter.stop()

    def check(self) -> None:
        """Raises what ended the client's thread, if anything did."""
        if self._failure is not None:
            raise self._failure

    def settle(self) -> Comparison:
        """Stops the client and compares its list with the table. Errors: psycopg.Error, ConnectionError."""
        self.stop()
        self.check()
        with self._connect_patiently() as connection:
            return self._compare(connection)

    def read_back(self) -> Comparison:
        """The comparison as it is now, if PostgreSQL answers at once. Errors: psycopg.Error, OSError."""
        with self._connect()[0] as connection:
            return self._compare(connection)

    def _compare(self, connection: psycopg.Connection) -> Comparison:
        def read() -> list[int]:
            rows = connection.execute("SELECT id FROM ledger WHERE run = %s", [self.run]).fetchall()
            return [int(row[0]) - self._base for row in rows]

        return self.journal.compare(read)

    def _connect_patiently(self) -> psycopg.Connection:
        """A machine that came back may take a connection that no PostgreSQL answers, for as long as its proxy lives."""
        end = time.monotonic() + SETTLE_SECONDS
        while True:
            try:
                return self._connect()[0]
            except (psycopg.Error, OSError):
                if time.monotonic() > end:
                    raise
                time.sleep(PAUSE)

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                self._session()
        except BaseException as error:  # noqa: BLE001 -- carried to the drill's thread by check()
            self._failure = error
            self.problem = f"the client stopped: {error}"

    def _session(self) -> None:
        try:
            connection, server = self._connect()
            with connection:
                try:
                    self._commit_rows(connection, server)
                finally:
                    self._cutter.disarm()  # before the descriptor is closed, and perhaps another's
        except (psycopg.Error, OSError) as error:
            self.problem = f"{type(error).__name__}: {error}".strip().replace("\n", " ")
            self._stop.wait(PAUSE)

    def _connect(self) -> tuple[psycopg.Connection, Server]:
        address = first_open(self.target.addresses, self.target.port, CONNECT_SECONDS)
        connection = psycopg.connect(
            host=address,
            port=self.target.port,
            user=self.target.user,
            password=self.target.password,
            dbname=self.target.database,
            connect_timeout=2,  # the least that libpq takes
            autocommit=True,
            tcp_user_timeout=int(ANSWER_SECONDS * 1000),
            options="-c statement_timeout=30s",
        )
        try:
            self._cutter.arm(connection.fileno(), 2 * ANSWER_SECONDS)
            return connection, self._look(connection, address)
        except BaseException:
            self._cutter.disarm()
            connection.close()
            raise

    def _look(self, connection: psycopg.Connection, address: str) -> Server:
        row = connection.execute(FACTS).fetchone()
        if row is None:
            raise psycopg.OperationalError("PostgreSQL says nothing about itself")
        started, identity, fsync, synchronous, version = row
        if fsync != "on" or synchronous != "on":
            raise NotDurable(
                f"PostgreSQL runs with fsync={fsync} and synchronous_commit={synchronous}: an acknowledged commit may "
                "be lost by its own settings. Set both to on and run the drill again."
            )
        connection.execute(TABLE)
        if self._base == 0:
            highest = connection.execute("SELECT coalesce(max(id), 0) FROM ledger").fetchone()
            self._base = int(highest[0]) + 1 if highest else 1  # rows of an earlier drill in a kept lab stay
        return Server(address, float(started), str(identity), str(version))

    def _commit_rows(self, connection: psycopg.Connection, server: Server) -> None:
        while not self._stop.is_set():
            number = self.journal.attempt()
            self._cutter.arm(connection.fileno(), ANSWER_SECONDS)
            connection.execute(INSERT, [self._base + number, self.run, server.address])
            self.journal.acknowledge(number, time.time(), server)
            self.problem = ""
            self._cutter.disarm()
            self._stop.wait(PAUSE)
