"""The services of the drill: how each is started, told to keep a row, and asked for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    # Made beside its place and renamed: half of one is never taken for a whole one.
    "cd /var/lib/mysql && if [ ! -d db ]; then rm -rf db.new; chown mysql: . ; "
    "mariadb-install-db --user=mysql --datadir=/var/lib/mysql/db.new --auth-root-authentication-method=normal --force "
    ">/dev/null; sync -f .; mv db.new db; sync -f .; fi; "
    "exec mariadbd --user=mysql --datadir=/var/lib/mysql/db --socket=/tmp/sql --pid-file=/tmp/pid --skip-networking "
    "--innodb-flush-log-at-trx-commit=1",
    "mariadb -S /tmp/sql -u root -e 'CREATE DATABASE IF NOT EXISTS d; CREATE TABLE IF NOT EXISTS d.t (n INT PRIMARY "
    'KEY) ENGINE=InnoDB;\' -e "INSERT INTO d.t VALUES ($1)"',
    "mariadb -S /tmp/sql -u root -N -e 'SELECT n FROM d.t'",
    ("size=512MiB",),
)
REDIS = Kind(
    "redis",
    "/data",
    "chown redis: /data; exec setpriv --reuid redis --regid redis --init-groups redis-server --dir /data "
    "--appendonly yes --appendfsync always --save '' --bind 127.0.0.1",
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
