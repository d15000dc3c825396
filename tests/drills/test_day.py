"""A volume's ordinary life, on a lab of a manager and a worker: it grows under PostgreSQL; files come in and go out."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy.drill.errors import DrillError
from deploy.lab.lab import Lab
from tests.drills.tiny import Tiny, Village
from tests.support.labs import until

pytestmark = pytest.mark.timeout(600)

MANAGER, WORKER = "swarm01", "swarm02"
POSTGRES = (
    "sh",
    "-c",
    "echo secret >/tmp/word; export PGDATA=/data/pgdata POSTGRES_PASSWORD_FILE=/tmp/word; exec reberth-postgres",
)
DATA_SH = Path(__file__).resolve().parents[2] / "deploy" / "data.sh"


def sql(village: Village, node: str, text: str) -> str:
    found = village.running(node, "db")
    words = ("env", "PGPASSWORD=secret", "psql", "-h", "127.0.0.1", "-U", "postgres", "-XAtqc", text)
    done = village.cli(node, "exec", found[0], *words)
    return done.stdout.strip() if done.returncode == 0 else f"ERROR {done.stderr}"


def room(village: Village, node: str, service: str) -> int:
    """MiB of the service's volume."""
    found = village.running(node, service)
    done = village.cli(node, "exec", found[0], "df", "-m", "--output=size", "/data")
    return int(done.stdout.split()[-1])


def reberth(village: Village, *words: str) -> str:
    return village.scenario.cluster.ask_controller(*words)


def explained(village: Village, volume: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(reberth(village, "explain", volume, "--json"))
    return found


def test_a_volume_grows_under_a_postgresql_that_writes_and_moves_with_all_rows(village: Village) -> None:
    village.make(Tiny("db", "db", {"size": "320MiB", "fstype": "xfs"}, WORKER, command=POSTGRES, grace=30.0))
    village.runs("db")
    until(lambda: sql(village, WORKER, "SELECT 1") == "1", "PostgreSQL answers")
    sql(village, WORKER, "CREATE TABLE rows AS SELECT n, repeat('x', 900) AS text FROM generate_series(1, 20000) n")
    container, before = village.running(WORKER, "db"), room(village, WORKER, "db")

    assert "has 1342177280 bytes now" in reberth(village, "grow", "db", "1280MiB")
    until(lambda: room(village, WORKER, "db") > before * 9 // 5, "the file system is larger")
    more = "INSERT INTO rows SELECT n, repeat('y', 900) FROM generate_series(20001, 400000) n"
    assert sql(village, WORKER, more) == ""

    assert village.running(WORKER, "db") == container
    assert sql(village, WORKER, "SELECT pg_table_size('rows') > 320 * 1024 * 1024") == "t"
    village.renew("db", MANAGER)
    until(lambda: sql_or_nothing(village, "SELECT count(*), sum(length(text)) FROM rows"), "it is on the other node")
    assert sql(village, MANAGER, "SELECT count(*), sum(length(text)) FROM rows") == "400000|360000000"
    assert room(village, MANAGER, "db") > before * 9 // 5


def sql_or_nothing(village: Village, text: str) -> bool:
    return bool(village.running(MANAGER, "db")) and not sql(village, MANAGER, text).startswith("ERROR")


def test_a_larger_size_in_the_stack_file_is_taken_and_a_smaller_one_stops_nothing(village: Village) -> None:
    """Docker sees a new task whose volume exists: it asks Get, and never says the new options."""
    village.make(Tiny("filled", "filled", {"size": "32MiB"}, WORKER))
    village.runs("filled")
    small, first = room(village, WORKER, "filled"), village.running(WORKER, "filled")
    assert village.cli(WORKER, "exec", *first, "sh", "-c", "echo kept >/data/file; sync").returncode == 0

    village.ask_for("filled", "256MiB")
    until(lambda: village.running(WORKER, "filled") not in ([], first), "a new task")
    until(lambda: explained(village, "filled")["size_bytes"] == 256 << 20, "the disk is larger")
    assert village.errors("filled") == []
    if room(village, WORKER, "filled") <= small:  # mounted before the disk had grown: ext4 follows at the next mount
        village.renew("filled", WORKER)
        until(lambda: room_or_nothing(village, "filled") > small, "the file system is larger")
    second = village.running(WORKER, "filled")

    village.ask_for("filled", "16MiB")
    until(lambda: village.running(WORKER, "filled") not in ([], second), "another")
    until(lambda: "no volume becomes smaller" in str(explained(village, "filled")["warnings"]), "it is told")
    village.ask_for("filled", "62TiB")
    until(lambda: "No room for a disk" in str(explained(village, "filled")["warnings"]), "that is told, too")
    village.runs("filled")
    read = village.cli(WORKER, "exec", *village.running(WORKER, "filled"), "cat", "/data/file")
    assert (read.stdout, village.errors("filled")) == ("kept\n", [])


def room_or_nothing(village: Village, service: str) -> int:
    return room(village, WORKER, service) if village.running(WORKER, service) else 0


def mebibytes(text: str) -> float:
    units = (("MiB", 1.0), ("KiB", 2.0**-10), ("B", 2.0**-20))
    return next(float(text.removesuffix(unit)) * many for unit, many in units if text.endswith(unit))


def inspected_room(village: Village, node: str) -> str:
    form = "{{.Status.used}} {{.Status.available}}"
    return str(village.cli(node, "volume", "inspect", "-f", form, "hoard").stdout)


def test_what_is_used_is_told_on_every_node_and_a_volume_that_is_nearly_full_with_the_cure(village: Village) -> None:
    village.make(Tiny("hoard", "hoard", {"size": "64MiB"}, WORKER))
    village.runs("hoard")
    filled = village.cli(WORKER, "exec", *village.running(WORKER, "hoard"), "fallocate", "-l", "50M", "/data/much")
    assert filled.returncode == 0, filled.stderr

    until(lambda: "`reberth grow hoard" in str(explained(village, "hoard")["warnings"]), "it is told")
    for node in (MANAGER, WORKER):
        # A controller has an instant for what Docker asks at each start of a container: an inspect may go without.
        until(lambda: "no value" not in inspected_room(village, node), f"{node} tells it")  # noqa: B023 -- at once
        shown = inspected_room(village, node)
        used, available = (mebibytes(each) for each in shown.split())
        assert (50 <= used <= 64, available < 8) == (True, True), shown
    assert "volume-full" in reberth(village, "doctor", "--json")
    reberth(village, "grow", "hoard", "256MiB")
    village.renew("hoard", MANAGER)
    until(lambda: explained(village, "hoard")["warnings"] == [], "there is room again")


def test_a_volume_does_not_grow_beyond_the_storage_and_never_shrinks(village: Village) -> None:
    village.make(Tiny("steady", "steady", {"size": "32MiB"}, WORKER))
    village.runs("steady")
    for size, words in (("60TiB", "No room for a disk"), ("16MiB", "no volume becomes smaller")):
        with pytest.raises(DrillError, match=words):
            reberth(village, "grow", "steady", size)
    village.runs("steady")


def test_labels_are_shown_on_every_node_and_the_options_with_what_the_driver_can(village: Village) -> None:
    village.make(Tiny("named", "named", {"size": "32MiB", "label.team": "storage & co", "label.tier": "1"}, WORKER))
    village.runs("named")
    for node in (MANAGER, WORKER):
        shown = village.cli(node, "volume", "inspect", "-f", "{{.Status.labels}}", "named")
        assert shown.stdout.strip() == "team=storage & co, tier=1", shown.stderr
    assert "Storage driver lab: clones, grows" in reberth(village, "driver", "options")


def test_a_container_that_is_not_root_writes_and_finds_its_files_on_the_next_node(village: Village) -> None:
    """With nocopy nothing but the volume's own options gives it the directory."""
    owned = {"size": "32MiB", "uid": "472", "gid": "472", "mode": "0750"}
    command = ("setpriv", "--reuid=472", "--regid=472", "--clear-groups", "sleep", "infinity")
    village.make(Tiny("grafana", "grafana", owned, WORKER, command=command))
    village.runs("grafana")

    def as_user(node: str, script: str) -> str:
        found = village.running(node, "grafana")
        done = village.cli(node, "exec", "-u", "472:472", found[0], "sh", "-c", script) if found else None
        return "" if done is None or done.returncode != 0 else done.stdout

    assert as_user(WORKER, "echo kept >/data/file && sync /data/file && echo done") == "done\n"
    village.renew("grafana", MANAGER)
    until(lambda: as_user(MANAGER, "cat /data/file") == "kept\n", "it is on the other node")
    assert as_user(MANAGER, "stat -c %u:%g:%a /data /data/file") == "472:472:750\n472:472:644\n"


def test_the_disk_of_a_stopped_service_leaves_a_drained_node(village: Village, lab: Lab) -> None:
    village.make(Tiny("stopped", "stopped", {"size": "32MiB"}, WORKER))
    village.runs("stopped")
    village.scale("stopped", 0)
    village.ended("stopped")

    def place() -> list[str]:
        return [held["vm"] for held in lab.host.call("GET", "/v1/attachments") if "stopped" in held["disk"]]

    assert place() == [lab.node(WORKER).vm]
    village.scenario.cluster.set_availability(WORKER, "drain")
    try:
        until(lambda: place() == [], "it has left")
    finally:
        village.scenario.cluster.set_availability(WORKER, "active")
    village.scale("stopped", 1)
    village.runs("stopped")
    assert place() == [lab.node(WORKER).vm]


# --- in and out


def data(lab: Lab, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, **lab.environment(MANAGER)}
    return subprocess.run(
        [DATA_SH, *words], env=environment, input=given, capture_output=True, check=False, timeout=150
    )


def docker(lab: Lab, *words: str, given: bytes = b"") -> bytes:
    environment = {**os.environ, **lab.environment(MANAGER)}
    done = subprocess.run(
        ["docker", *words], env=environment, input=given, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


MAKE = """
umask 022; mkdir -p /from/deep/er; echo plain >/from/file; echo secret >/from/deep/er/secret
chown 999:998 /from/deep/er/secret; chmod 4640 /from/deep/er/secret; ln -s ../file /from/deep/link
ln /from/file /from/hard
touch -d '2001-02-03 04:05:06' /from/deep; head -c 3000000 /dev/urandom >/from/noise; truncate -s 5M /from/sparse
"""
SHOW = r"""
cd {}; find . -mindepth 1 -printf '%P %y %m %U %G %n %l %T@\n' | sort; find . -type f | sort | xargs sha256sum
"""


def test_the_files_of_a_local_volume_come_in_and_go_out_as_they_were(village: Village, lab: Lab) -> None:
    image = village.scenario.stacks.variables["POSTGRES_IMAGE"]

    def on(volume: str, target: str, script: str, given: bytes = b"") -> bytes:
        words = ("run", "--rm", "-i", "--entrypoint", "sh", "-v", f"{volume}:{target}", image, "-c", script)
        return docker(lab, *words, given=given)

    on("old", "/from", MAKE)
    taken = on("old", "/from", "tar -C /from --numeric-owner --xattrs -cf - .")
    came = data(lab, "import", "new", "-o", "size=64MiB", given=taken)
    assert (came.returncode, b"has the files" in came.stderr) == (0, True), came.stderr

    again = data(lab, "import", "new", given=taken)
    assert (again.returncode, b"is not empty" in again.stderr) == (1, True), again.stderr
    village.make(Tiny("user", "new", {"size": "64MiB"}, WORKER))
    village.runs("user")
    used = data(lab, "export", "new")
    assert (used.returncode, b"docker service scale user=0" in used.stderr) == (1, True), used.stderr
    village.scale("user", 0)
    village.ended("user")

    left = data(lab, "export", "new")
    assert left.returncode == 0, left.stderr
    on("back", "/to", "tar -C /to --numeric-owner --xattrs -xpf -", given=left.stdout)
    assert on("back", "/to", SHOW.format("/to")) == on("old", "/from", SHOW.format("/from"))
    assert docker(lab, "service", "ls", "-q", "-f", "name=reberth-data") == b""
    docker(lab, "volume", "rm", "old", "back")


# --- docker reberth


def test_docker_runs_the_command_in_the_controller_of_the_node_that_it_speaks_to(lab: Lab, tmp_path: Path) -> None:
    plugins = tmp_path / "cli-plugins"
    plugins.mkdir()
    environment = {**os.environ, **lab.environment(MANAGER), "DOCKER_CONFIG": str(tmp_path)}
    script = ["sh", str(DATA_SH.with_name("install.sh")), "cli"]
    subprocess.run(script, env={**environment, "REBERTH_CLI_PLUGINS": str(plugins)}, check=True, timeout=30)

    def ask(*words: str) -> tuple[int, str, str]:
        done = subprocess.run(
            ["docker", *words], env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        return done.returncode, done.stdout, done.stderr

    code, out, err = ask("reberth", "status", "-o", "json")
    assert code == 0, err
    assert {each["node"] for each in json.loads(out)["nodes"]} == {MANAGER, WORKER}
    assert ask("reberth", "explain", "no such volume")[0] == 3
    host = lab.environment(WORKER)["DOCKER_HOST"]
    code, _, err = ask("--host", host, "reberth", "status")
    assert (code, "ask a manager" in err) == (4, True), err
    assert "Volumes that follow their tasks" in ask("--help")[1]
