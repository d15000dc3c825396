"""Against a service that lies in the ways that the real emulator cannot. What is real: tests/integration/bmc."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from controller.model import Power, VmId
from drivers.bmc.driver import BmcDriver
from drivers.bmc.redfish import create
from drivers.shared.settings import SettingsError

VM = VmId("00112233-4455-6677-8899-aabbccddeeff")
SYSTEM = "/redfish/v1/Systems/1"


class Service:
    """
    One system. ``on_reset``: what PowerState says after a reset was asked for; ``status``: of that answer, which comes
    ``late`` seconds after the deed.
    """

    def __init__(self, folder: Path) -> None:
        self.power: object = "On"
        self.on_reset: object = "Off"
        self.status = 204
        self.uuid = VM
        self.asked: list[object] = []
        self.redirect = ""
        self.padding = ""
        self.seconds = 0.0
        self.late = 0.0
        self.folder = folder

    async def start(self) -> None:
        application = web.Application()
        application.router.add_get("/redfish/v1/Systems", self._list)
        application.router.add_get(SYSTEM, self._system)
        application.router.add_post("/reset", self._reset)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "cert.pem", self.folder / "key.pem")
        self.runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.url = f"https://127.0.0.1:{self.runner.addresses[0][1]}"

    async def _list(self, request: web.Request) -> web.Response:
        if self.redirect:
            raise web.HTTPFound(self.redirect)
        return web.json_response({"Members": [{"@odata.id": SYSTEM}]})

    async def _system(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self.seconds)
        actions = {"#ComputerSystem.Reset": {"target": "/reset"}}
        state = {} if self.power == "absent" else {"PowerState": self.power}
        return web.json_response({"UUID": self.uuid, "Actions": actions, "Oem": self.padding, **state})

    async def _reset(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        self.power = self.on_reset
        await asyncio.sleep(self.late)
        return web.Response(status=self.status, headers={"Location": "/task/1"})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    command = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj")
    names = ("/CN=bmc", "-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem"))
    subprocess.run([*command, *names, *files], check=True, capture_output=True)
    (folder / "user").write_text("admin")
    (folder / "password").write_text("x")
    return folder


@pytest.fixture
async def service(certificate: Path) -> AsyncIterator[Service]:
    made = Service(certificate)
    await made.start()
    yield made
    await made.runner.cleanup()


def settings(service: Service, **more: object) -> dict[str, object]:
    folder = service.folder
    files = {"user_file": str(folder / "user"), "password_file": str(folder / "password")}
    times = {"deadline": 8, "off_deadline": 1.5}
    return {"machines": [{"url": service.url}], "ca_file": str(folder / "cert.pem"), **files, **times, **more}


@pytest.fixture
async def driver(service: Service) -> AsyncIterator[BmcDriver]:
    made = create(settings(service))
    yield made
    await made.close()


@pytest.mark.parametrize("status", [200, 202, 204, 400, 500])
async def test_off_is_what_is_read_after_the_order_whatever_its_answer_was(
    service: Service, driver: BmcDriver, status: int
) -> None:
    service.status = status
    assert await driver.power_off(VM) is Power.OFF
    assert service.asked == [{"ResetType": "ForceOff"}]


@pytest.mark.parametrize("state", ["On", "PoweringOff", None, "absent"])
async def test_a_good_answer_without_a_good_end_is_not_off(service: Service, driver: BmcDriver, state: object) -> None:
    service.on_reset = state
    assert await driver.power_off(VM) is not Power.OFF


async def test_a_machine_that_is_off_is_not_told_again(service: Service, driver: BmcDriver) -> None:
    service.power = "Off"
    assert await driver.power_off(VM) is Power.OFF
    assert service.asked == []


async def test_a_redirect_is_not_followed(service: Service, driver: BmcDriver) -> None:
    service.redirect = SYSTEM
    assert await driver.power([VM]) == {VM: Power.UNKNOWN}


async def test_an_answer_without_end_is_not_read(service: Service, driver: BmcDriver) -> None:
    service.padding = "x" * (2 << 20)
    assert await driver.power([VM]) == {VM: Power.UNKNOWN}


async def test_a_certificate_of_somebody_else_is_not_trusted(service: Service) -> None:
    driver = create(settings(service, ca_file=None))
    assert await driver.power([VM]) == {VM: Power.UNKNOWN}
    await driver.close()


async def test_a_bmc_that_answers_too_late_makes_unknown(service: Service) -> None:
    service.power, service.seconds = "Off", 3.0
    driver = create(settings(service, deadline=0.5))
    assert await driver.power([VM]) == {VM: Power.UNKNOWN}
    await driver.close()


@pytest.mark.parametrize(
    ("machines", "message"),
    [
        ([{"url": "http://bmc1.example"}], "regex"),
        ([{"url": "https://user:x@bmc1.example"}], "regex"),
        ([{"url": "https://bmc1.example/redfish"}], "regex"),
        ([{"url": "https://b", "system": "/elsewhere"}], "regex"),
        ([{"url": "https://b"}, {"url": "https://B/"}], "listed twice"),
        ([{"url": "https://b", "verify": False}], "unknown field"),
    ],
)
async def test_a_mistake_in_the_settings_is_told_at_the_start(
    service: Service, machines: list[object], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        create(settings(service, machines=machines))


async def test_an_order_whose_answer_never_came_counts_as_what_is_read_after_it(service: Service) -> None:
    """The machine went off, and the BMC said nothing of it within the time that there was."""
    service.late = 30.0
    made = create(settings(service, off_deadline=1))
    try:
        assert await made.power_off(VM) is Power.OFF
    finally:
        await made.close()


def _shake_hands(listener: socket.socket, context: ssl.SSLContext) -> socket.socket:
    """With one client, which is answered no more after that."""
    client, _ = listener.accept()
    return socket.socket(fileno=context.wrap_socket(client, server_side=True).detach())


def _ended(peer: socket.socket) -> bool:
    """Whether the client's end of the connection ends, whatever it sends before."""
    peer.settimeout(10)
    while peer.recv(4096):
        pass
    return True


async def test_a_connection_to_a_bmc_that_is_stuck_ends_with_its_driver(certificate: Path) -> None:
    """It says goodbye in TLS, and would wait for the other side's; some BMCs have few connections to give."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        shaking = asyncio.get_running_loop().run_in_executor(None, _shake_hands, listener, context)
        files = {each + "_file": str(certificate / each) for each in ("user", "password")}
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        made = create({"machines": [{"url": url}], "ca_file": str(certificate / "cert.pem"), **files, "deadline": 2})
        assert await made.power([VM]) == {VM: Power.UNKNOWN}
        with await shaking as peer:
            await made.close()
            assert await asyncio.to_thread(_ended, peer)
