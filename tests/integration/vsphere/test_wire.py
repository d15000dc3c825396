"""The wire to vCenter: what of an answer reaches the decoder, on a real TLS server that answers packed or not."""

from __future__ import annotations

import gzip
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from drivers.base import DriverError
from drivers.vsphere import create
from drivers.vsphere.client.transport import Wires
from drivers.vsphere.settings import Settings
from tests.vcsim.server import certificate, thumbprint

PACKED: Mapping[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "broken": bytes,
}


class _Echo(BaseHTTPRequestHandler):
    """Answers with the body it got, packed as the path says; ``/fail`` is a server's error, ``/page`` a web page."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path.strip("/")
        packed = PACKED.get(name, bytes)(body)
        self.send_response(500 if name == "fail" else 200)
        self.send_header("Content-Length", str(len(packed)))
        if name == "page":
            self.send_header("Content-Type", "text/html; charset=utf-8")
        if name in PACKED:
            self.send_header("Content-Encoding", {"broken": "gzip"}.get(name, name))
        self.end_headers()
        self.wfile.write(packed)

    def log_message(self, *_: object) -> None:
        """Nothing to the terminal."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with _served(_Echo) as found:
        yield found


@contextmanager
def _served(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    cert, key = certificate()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def wires(port: int, *others: str) -> Iterator[Wires]:
    """``others``: thumbprints beside the right one."""
    raw = {"host": "127.0.0.1", "port": port, "user_file": "/u", "password_file": "/p", "datacenter": "d"}
    made = Wires(Settings.parse({**raw, "datastore": "s", "thumbprint": " ".join((*others, thumbprint()))}), 10.0)
    try:
        yield made
    finally:
        made.cut()


def post(made: Wires, port: int, path: str) -> tuple[int, str | None, bytes]:
    connection = made.connection("127.0.0.1", port)
    try:
        connection.request("POST", path, b"one two")
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Encoding"), answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("packed", ["identity", "gzip", "deflate"])
def test_an_answer_is_unpacked_before_it_is_shortened_and_no_longer_said_to_be_packed(port: int, packed: str) -> None:
    with wires(port) as made, made.shortening(lambda body: body.replace(b"one ", b"")):
        assert post(made, port, f"/{packed}") == (200, None, b"two")


def test_only_answers_of_a_shortening_are_shortened(port: int) -> None:
    with wires(port) as made:
        with made.shortening(lambda _: b""):
            pass
        assert post(made, port, "/") == (200, None, b"one two")


def test_the_old_and_the_new_certificate_are_both_taken_while_it_is_renewed(port: int) -> None:
    with wires(port, "0" * 64) as made:
        assert post(made, port, "/") == (200, None, b"one two")


def test_another_threads_answers_are_not_shortened(port: int) -> None:
    found: list[tuple[int, str | None, bytes]] = []
    with wires(port) as made, made.shortening(lambda _: b""):
        thread = threading.Thread(target=lambda: found.append(post(made, port, "/")))
        thread.start()
        thread.join()
    assert found == [(200, None, b"one two")]


def test_a_fault_is_not_shortened(port: int) -> None:
    with wires(port) as made, made.shortening(lambda _: b""):
        assert post(made, port, "/fail") == (500, None, b"one two")


def test_a_web_page_in_place_of_an_answer_is_none_although_it_can_be_read(port: int) -> None:
    """As of a proxy before vCenter: to pyVmomi it would be an answer that nothing is there."""
    with wires(port) as made, pytest.raises(HTTPException, match="a web page"):
        post(made, port, "/page")


def _soap(body: bytes) -> bytes:
    return (
        b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
        + body
        + b"</soapenv:Body></soapenv:Envelope>"
    )


OF_TOMORROW = _soap(
    b'<RetrieveServiceContentResponse xmlns="urn:vim25"><returnval><rootFolder type="Folder">f</rootFolder>'
    b"<ofTomorrow>1</ofTomorrow></returnval></RetrieveServiceContentResponse>"
)
NUMBERLESS = _soap(
    b"<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>x</faultstring><detail>"
    b'<InvalidDeviceSpecFault xmlns="urn:vim25" xsi:type="InvalidDeviceSpec"><property>p</property>'
    b"<deviceIndex>None</deviceIndex></InvalidDeviceSpecFault></detail></soapenv:Fault>"
)


def _always(status: int, body: bytes) -> type[BaseHTTPRequestHandler]:
    """Of a vCenter that says the same to everything."""

    class Always(_Echo):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Always


@pytest.mark.parametrize(
    ("status", "body", "named"),
    [(200, OF_TOMORROW, "ofTomorrow"), (500, NUMBERLESS, "'None'")],
    ids=["field", "number"],
)
async def test_what_pyvmomi_cannot_read_is_no_answer_and_no_bug(
    tmp_path: Path, status: int, body: bytes, named: str
) -> None:
    """A field that only a newer server has; a number that is none."""
    secret = tmp_path / "secret"
    secret.write_text("s")
    raw = {"host": "127.0.0.1", "user_file": str(secret), "password_file": str(secret), "datacenter": "d"}
    with _served(_always(status, body)) as port:
        driver = create({**raw, "port": port, "datastore": "s", "thumbprint": thumbprint()})
        with pytest.raises(DriverError, match=named):
            await driver.list_attachments()
        await driver.close()


def test_an_answer_that_cannot_be_unpacked_is_an_error_of_the_connection(port: int) -> None:
    with (
        wires(port) as made,
        made.shortening(lambda body: body),
        pytest.raises(HTTPException, match="cannot be unpacked"),
    ):
        post(made, port, "/broken")
