"""People with certificates that `deploy/operators.sh` made, and the port at which a controller answers them."""

from __future__ import annotations

import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from controller.api.listening.listener import open_port, runner_of
from controller.api.listening.local_socket import LocalSocket
from controller.api.operators.port import OperatorPort, limits
from controller.api.routes import by_path
from controller.api.viewing.http import Viewing
from controller.cli.remote import FOLDER, HOST
from controller.names import MANAGER_NAME
from tests.support.api_site import Site

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "operators.sh"
EC = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class People:
    """``folder`` is the script's, ``swarm`` the root certificate that a manager is known by."""

    folder: Path
    swarm: Path

    @classmethod
    def with_ca(cls, folder: Path, swarm: Path) -> People:
        script("ca", "--folder", folder)
        return cls(folder, swarm)

    @property
    def file(self) -> Path:
        return self.folder / "operators.pem"

    def issue(self, name: str, role: str = "viewer") -> Path:
        """The folder with the three files of one person."""
        script("issue", name, "--role", role, "--folder", self.folder, "--swarm-ca", self.swarm)
        return self.folder / name

    def forge(self, name: str, subject: str, *more: object) -> Path:
        """One that the same CA signed by hand: what it says is up to whoever asks."""
        into = self.folder / name
        into.mkdir(exist_ok=True)
        if not (into / "key.pem").exists():
            openssl("genpkey", *EC, "-out", into / "key.pem")
        request, extensions = self.folder / "forged.csr", self.folder / "forged.ext"
        extensions.write_text("basicConstraints=critical,CA:FALSE\n")
        config = ("-config", self.folder / "ca.cnf")
        openssl("req", "-new", "-key", into / "key.pem", "-subj", subject, "-out", request, *config)
        signed = ("-CA", self.folder / "ca.crt", "-CAkey", self.folder / "ca.key", "-CAcreateserial")
        kind = more or ("-extfile", extensions)
        openssl("x509", "-req", "-in", request, *signed, "-out", into / "cert.pem", *kind)
        return into

    def revoke(self, name: str) -> None:
        script("revoke", name, "--folder", self.folder)


def script(*words: object) -> str:
    command = ["sh", str(SCRIPT), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def context_of(folder: Path, swarm: Path) -> ssl.SSLContext:
    """As any client has it: ``folder`` with a person's three files."""
    context = ssl.create_default_context(cafile=str(swarm))
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@dataclass(frozen=True)
class Port:
    number: int
    people: People

    def environment(self, person: Path) -> Mapping[str, str]:
        return {HOST: f"127.0.0.1:{self.number}", FOLDER: str(person)}

    async def post(
        self, context: ssl.SSLContext, path: str, body: bytes, headers: Mapping[str, str] = JSON
    ) -> tuple[int, bytes]:
        return await self._request("POST", context, path, body, headers)

    async def get(self, context: ssl.SSLContext, path: str) -> tuple[int, bytes]:
        return await self._request("GET", context, path, b"", {})

    async def _request(
        self, verb: str, context: ssl.SSLContext, path: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        url, name = f"https://127.0.0.1:{self.number}{path}", MANAGER_NAME
        async with (
            aiohttp.ClientSession() as session,
            session.request(verb, url, data=body, headers=headers, ssl=context, server_hostname=name) as answer,
        ):
            return answer.status, await answer.read()


@asynccontextmanager
async def port_for(people: People, place: Site, wall: Callable[[], float] = time.time) -> AsyncIterator[Port]:
    """As `controller.app` opens it."""
    table, identity, state = by_path(place.controller.routes()), place.identity, place.controller.state
    local = LocalSocket(table, place.lead, "own:1", lambda: identity.me, lambda: identity.client)
    application = OperatorPort(local.ask, wall).application()
    Viewing(local.ask, state.clock, state.wall).join(application)
    runner = runner_of(application, shutdown=0.1)
    await runner.setup()
    try:
        await open_port(runner, "127.0.0.1", 0, identity.server_for(people.file), limits=limits())
        yield Port(runner.addresses[0][1], people)
    finally:
        await runner.cleanup()
