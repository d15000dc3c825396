"""The services of the drill: how each is started, told to keep a row, and asked for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deploy.drill.chaos.databases import MARIADB_SERVER, REDIS_SERVER

KEEP = "echo $1 >>{0}/rows && sync {0}/rows"
SHOW = "cat {0}/rows"


@dataclass(frozen=True, slots=True)
class Kind:
    """
    ``start``, ``write`` (``$1`` is the row) and ``read`` (a row a line) are scripts in its container. A row is kept
    when ``write`` ends with 0. ``postgres``: in the image of PostgreSQL, not in that of the other services.
    """

    name: str
    target: str
    start: str
    write: str
    read: str
    options: Sequence[str] = ("size=64MiB",)
    nocopy: bool = True
    user: str = ""
    postgres: bool = False


MARIADB = Kind(
    "mariadb",
    "/var/lib/mysql",
    MARIADB_SERVER,
    "mariadb -S /tmp/sql -u root -e 'CREATE DATABASE IF NOT EXISTS d; CREATE TABLE IF NOT EXISTS d.t (n INT PRIMARY "
    'KEY) ENGINE=InnoDB;\' -e "INSERT INTO d.t VALUES ($1)"',
    "mariadb -S /tmp/sql -u root -N -e 'SELECT n FROM d.t'",
    ("size=512MiB",),
)
REDIS = Kind(
    "redis",
    "/data",
    REDIS_SERVER,
    'redis-cli RPUSH rows "$1" | grep -qx "[0-9]*"',
    "redis-cli --raw LRANGE rows 0 -1",
)
SLEEP = "exec sleep infinity"
NOT_ROOT = Kind(
    "not-root",
    "/srv/files",
    SLEEP,
    KEEP.format("/srv/files"),
    SHOW.format("/srv/files"),
    ("size=64MiB", "uid=472", "gid=472", "mode=0750"),
    user="472:472",
)
COPIED_UP = Kind(
    "copied-up",
    "/var/lib/grafana",
    SLEEP,
    "test -e /var/lib/grafana/from-the-image && " + KEEP.format("/var/lib/grafana"),
    SHOW.format("/var/lib/grafana"),
    nocopy=False,
    user="472:472",
)
POSTGRES = Kind(
    "postgres",
    "/var/lib/postgresql",
    "echo secret >/tmp/word; export POSTGRES_PASSWORD_FILE=/tmp/word; exec reberth-postgres",
    'psql -U postgres -XAtqc "CREATE TABLE IF NOT EXISTS t (n int PRIMARY KEY)" -c "INSERT INTO t VALUES ($1)"',
    "psql -U postgres -XAtqc 'SELECT n FROM t'",
    ("size=256MiB",),
    nocopy=False,
    postgres=True,
)
KINDS = (MARIADB, REDIS, NOT_ROOT, COPIED_UP, POSTGRES)
