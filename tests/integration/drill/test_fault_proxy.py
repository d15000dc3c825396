"""The proxy between real HTTP ends, with a real process as the caller that is stopped."""

from __future__ import annotations

import http.client
import http.server
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from controller.names import LEADER_CONFIG
from controller.records.codec import STATE_LABEL
from deploy.drill.errors import DrillError
from deploy.drill.proxy.call_meaning import Step, StopPoint, When
from deploy.drill.proxy.fault_proxy import FaultProxy
from deploy.drill.proxy.values import Act, Wiring
from deploy.lab.kernel import processes
from tests.support.ports import free_port

ATTACH = "/v1/vms/vm1/attach"
BODY = b'{"disks": ["d1"], "epoch": 3}'


class Storage(http.server.ThreadingHTTPServer):
    """Answers every call as done, and keeps their paths."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[str] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Storage

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'[{"disk": "d1", "outcome": "done"}]')

    def log_message(self, *args: object) -> None:
        pass


class Engine(http.server.ThreadingHTTPServer):
    """A Docker socket that takes every write."""

    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(str(self.server_address))
        self.server_name, self.server_port = "engine", 0


class EngineHandler(Handler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def address_string(self) -> str:
        return "unix"


class Scenario:
    def __init__(self, storage: Storage, proxy: FaultProxy, caller: subprocess.Popen[bytes], wiring: Wiring) -> None:
        self.storage, self.proxy, self.caller, self._wiring = storage, proxy, caller, wiring
        self.kind: str | None = None  # of the last answer

    def attach(self) -> tuple[int, bytes]:
        return self._post(self._wiring.storage_port, ATTACH, BODY)

    def lead(self, epoch: int) -> tuple[int, bytes]:
        state = msgspec.json.encode({"epoch": epoch}).decode()
        body = msgspec.json.encode({"Name": LEADER_CONFIG, "Labels": {STATE_LABEL: state}})
        return self._post(self._wiring.docker_port, "/v1.41/configs/abc/update?version=5", body)

    def _post(self, port: int, path: str, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("POST", path, body)
            answer = connection.getresponse()
            self.kind = answer.getheader("Content-Type")
            return answer.status, answer.read()
        finally:
            connection.close()


@pytest.fixture
def scenario(tmp_path: Path) -> Iterator[Scenario]:
    storage, engine = Storage(), Engine(str(tmp_path / "docker.sock"), EngineHandler)  # type: ignore[arg-type]
    caller = subprocess.Popen(["sleep", "600"])
    wiring = Wiring(
        listen="127.0.0.1",
        nodes={"127.0.0.1": "swarm01"},
        sockets={"swarm01": tmp_path / "docker.sock"},
        storage=f"http://127.0.0.1:{storage.server_port}",
        pid=lambda node: caller.pid if node == "swarm01" and processes.state(caller.pid) not in {"Z", None} else None,
        docker_port=free_port(),
        storage_port=free_port(),
    )
    proxy = FaultProxy(wiring)
    for server in (storage, engine):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        proxy.start()
        yield Scenario(storage, proxy, caller, wiring)
    finally:
        proxy.stop()
        for server in (storage, engine):
            server.shutdown()
            server.server_close()
        with suppress(ProcessLookupError):
            caller.kill()
        caller.wait(10)


def test_what_is_not_stopped_goes_through_and_is_heard(scenario: Scenario) -> None:
    assert scenario.attach() == (200, b'[{"disk": "d1", "outcome": "done"}]')

    heard = scenario.proxy.calls[0]
    assert (heard.node, heard.step, heard.epoch, heard.done) == ("swarm01", Step.ATTACH, 3, True)
    assert scenario.proxy.stopped is None


def test_a_caller_killed_before_a_call_is_dead_and_its_call_never_arrives(scenario: Scenario) -> None:
    scenario.proxy.arm(StopPoint(When.BEFORE, Step.ATTACH), Act.KILL)

    scenario.attach()

    assert scenario.caller.wait(10) == -signal.SIGKILL
    assert scenario.storage.seen == []


def test_a_caller_killed_after_a_call_is_dead_and_its_call_was_done(scenario: Scenario) -> None:
    scenario.proxy.arm(StopPoint(When.AFTER, Step.ATTACH), Act.KILL)

    status, _ = scenario.attach()

    assert scenario.caller.wait(10) == -signal.SIGKILL
    assert scenario.storage.seen == [ATTACH]
    assert status == 502


def test_it_stops_one_caller_only(scenario: Scenario) -> None:
    scenario.proxy.arm(StopPoint(When.BEFORE, Step.ATTACH), Act.KILL)
    scenario.attach()

    assert scenario.attach()[0] == 200


def test_the_call_of_a_frozen_caller_arrives_only_after_it_goes_on(scenario: Scenario) -> None:
    scenario.proxy.arm(StopPoint(When.BEFORE, Step.ATTACH), Act.FREEZE)
    with ThreadPoolExecutor(1) as pool:
        asked: Future[tuple[int, bytes]] = pool.submit(scenario.attach)
        wait(lambda: scenario.proxy.stopped is not None)
        stopped, seen = processes.state(scenario.caller.pid), list(scenario.storage.seen)
        scenario.proxy.release()
        status, _ = asked.result(30)

    assert (stopped, seen) == ("T", [])
    assert (status, scenario.storage.seen) == (200, [ATTACH])
    wait(lambda: processes.state(scenario.caller.pid) == "S")


def test_the_one_that_acts_is_frozen_at_once_and_its_epoch_is_remembered(scenario: Scenario) -> None:
    with pytest.raises(DrillError, match="no controller has acted"):
        scenario.proxy.freeze_acting()
    scenario.lead(6)

    stopped = scenario.proxy.freeze_acting()

    assert processes.state(scenario.caller.pid) == "T"
    assert (stopped.node, stopped.epoch) == ("swarm01", 6)


def test_nobody_stays_frozen_when_the_drill_ends(scenario: Scenario) -> None:
    scenario.lead(6)
    scenario.proxy.freeze_acting()

    scenario.proxy.stop()

    wait(lambda: processes.state(scenario.caller.pid) == "S")


def test_an_answer_without_a_type_stays_without_one(scenario: Scenario) -> None:
    scenario.lead(6)

    assert scenario.kind is None


def test_a_port_that_is_taken_is_an_error_with_the_reason(scenario: Scenario) -> None:
    with pytest.raises(DrillError, match="cannot stand between"):
        FaultProxy(scenario._wiring).start()


def wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not happen within 20 s"
        time.sleep(0.01)
