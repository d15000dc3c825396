"""
MariaDB and Redis as writers, from the image of services (deploy/lab/services): how they start, and write all the time.

Each begins its server, waits for it, and goes on after the last number that is there. One client stays connected: what
the server refuses ends it, and the container with it.
"""

from __future__ import annotations

MARIADB_SERVER = (
    # Made beside its place and renamed: half of one is never taken for a whole one.
    "cd /var/lib/mysql && if [ ! -d db ]; then rm -rf db.new; chown mysql: . ; "
    "mariadb-install-db --user=mysql --datadir=/var/lib/mysql/db.new --auth-root-authentication-method=normal --force "
    ">/dev/null; sync -f .; mv db.new db; sync -f .; fi; "
    "exec mariadbd --user=mysql --datadir=/var/lib/mysql/db --socket=/tmp/sql --pid-file=/tmp/pid --skip-networking "
    "--innodb-flush-log-at-trx-commit=1"
)
REDIS_SERVER = (
    "chown redis: /data; exec setpriv --reuid redis --regid redis --init-groups redis-server --dir /data "
    "--appendonly yes --appendfsync always --save '' --bind 127.0.0.1"
)
MARIADB_FOLDER, REDIS_FOLDER = "/var/lib/mysql", "/data"
_MARIADB = "mariadb -S /tmp/sql -u root"
_TABLE = (
    "CREATE DATABASE IF NOT EXISTS d; CREATE TABLE IF NOT EXISTS d.line "
    "(number INT PRIMARY KEY, writer VARCHAR(40), at DOUBLE) ENGINE=InnoDB"
)
_BOTH = """
({server}) & server=$!
trap 'kill $server' TERM
({client}; kill $server) &
wait $server; wait $server
"""
_MARIADB_CLIENT = f"""
until {_MARIADB} -e 'SELECT 1' >/dev/null 2>&1; do sleep 0.3; done
{_MARIADB} -e '{_TABLE}' || exit
n=$({_MARIADB} -N -e 'SELECT COALESCE(MAX(number), 0) FROM d.line') || exit
while :; do
  n=$((n+1)); echo "INSERT INTO d.line VALUES ($n, '$REBERTH_TASK', UNIX_TIMESTAMP(NOW(3)));"; sleep 0.2
done | {_MARIADB}
"""  # noqa: S608 -- no word of it comes from elsewhere
_REDIS_CLIENT = """
until [ "$(redis-cli PING 2>/dev/null)" = PONG ]; do sleep 0.3; done
n=$(redis-cli --raw LINDEX rows -1) || exit
n=${n%% *}; n=${n:-0}
while :; do
  n=$((n+1)); echo "RPUSH rows \\"$n $REBERTH_TASK $(date +%s.%3N)\\""; sleep 0.2
done | redis-cli >/dev/null
"""
MARIADB = _BOTH.format(server=MARIADB_SERVER, client=_MARIADB_CLIENT.strip())
REDIS = _BOTH.format(server=REDIS_SERVER, client=_REDIS_CLIENT.strip())
READ_MARIADB = f"{_MARIADB} -N -B -e 'SELECT number, writer, at FROM d.line ORDER BY number'"  # noqa: S608
READ_REDIS = "redis-cli --raw LRANGE rows 0 -1"
