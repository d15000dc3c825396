"""Asking the machine host from the lab: blocking HTTP over its root-only unix socket, and starting it."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec

from controller.unix_http import UnixConnection
from deploy.lab.kernel import processes
from deploy.lab.names import HOST_PORT, MARK, ROLE, LabError, LabSpec, Layout

_START_SECONDS = 30.0
_CALL_SECONDS = 180.0
_MOMENT = 1.0


@dataclass(frozen=True, slots=True)
class HostControl:
    layout: Layout
    spec: LabSpec

    @property
    def url(self) -> str:
        return f"http://{self.spec.gateway}:{HOST_PORT}"

    @property
    def token_file(self) -> Path:
        return self.layout.token

    def pids(self) -> list[int]:
        return processes.marked(self.layout.lab, "host")

    def start(self) -> None:
        """Start it unless it runs; returns when it answers. Raises LabError."""
        if not self.pids():
            self._spawn()
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.call("GET", "/v1/vms", timeout=_START_SECONDS)
            except OSError as error:
                if time.monotonic() > deadline or self._ended():
                    raise LabError(f"The machine host does not answer ({error}). {self._last_words()}") from error
                time.sleep(0.02)
            else:
                return

    def _ended(self) -> bool:
        """Looked at twice: a process that begins another program has no environment, and so no mark, for a moment."""
        if self.pids():
            return False
        time.sleep(_MOMENT)
        return not self.pids()

    def _log(self) -> Path:
        return self.layout.store / "host.log"

    def _last_words(self) -> str:
        try:
            lines = self._log().read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return ""
        return f"Its log ends: {lines[-1]}" if lines else ""

    def _spawn(self) -> None:
        root = str(Path(__file__).resolve().parents[2])  # this very code, from wherever it is run
        environment = os.environ | {"PYTHONPATH": root, MARK: self.layout.lab, ROLE: "host"}
        self.layout.control.unlink(missing_ok=True)
        self.layout.store.mkdir(parents=True, exist_ok=True)
        with self._log().open("ab") as output:
            subprocess.run(
                ["setsid", "--fork", sys.executable, "-m", "deploy.lab.hypervisor.server", self.layout.lab],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                cwd="/",
                check=True,
            )
        deadline = time.monotonic() + 5
        while not self.pids() and time.monotonic() < deadline:
            time.sleep(0.01)  # between fork and exec it does not carry our mark yet

    def act(self, node: str, action: str) -> str:
        """power-on, power-off, freeze, thaw, cut or heal; the power after it. Raises LabError."""
        return self._power("POST", f"/control/{node}/{action}")

    def power(self, node: str) -> str:
        return self._power("GET", f"/control/{node}/power")

    def _power(self, method: str, path: str) -> str:
        try:
            answer = self.call(method, path)
        except OSError as error:
            raise LabError(f"The machine host does not answer ({error}): `reberth lab up` starts it again.") from error
        return cast("str", answer["power"])

    def call(self, method: str, path: str, body: object = None, timeout: float = _CALL_SECONDS) -> Any:
        """The decoded answer. Raises LabError with the host's own words, OSError when it could not be asked."""
        connection = UnixConnection(self.layout.control, timeout)
        try:
            connection.request(method, path, msgspec.json.encode(body) if body is not None else None)
            response = connection.getresponse()
            answer = msgspec.json.decode(response.read())
        except http.client.HTTPException as error:
            raise ConnectionError(f"the connection ended: {error!r}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise LabError(str(answer.get("why", answer)))
        return answer
