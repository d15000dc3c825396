"""
Answers of vCenter from files, through pyVmomi's own decoder, on the wire's side of the driver's code.

`tests/fixtures/vcenter/` has them. They are made by hand after what public recordings of real servers show: the names,
the IDs and the texts in them are invented. The first line of each says after which version, and where the fact is from.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pyVmomi import vim, vmodl
from pyVmomi.SoapAdapter import SoapResponseDeserializer, SoapStubAdapter

from drivers.vsphere.client.decode_cache import Sieve
from drivers.vsphere.client.session import API_VERSION, Memo, Open
from drivers.vsphere.inventory import Place

SHAPES = Path(__file__).resolve().parents[1] / "fixtures/vcenter"
URL = "ds:///vmfs/volumes/5a3c9f10-7b2e4d61-9c08-0050569ab001/"
PLACE = Place("datastore-15", "Tier 1", "reberth", url=URL)
Shorten = Callable[[bytes], bytes]


class Replay(SoapStubAdapter):
    """Calls are answered by the shapes of their names, in order; the last one for ever."""

    def __init__(self, **shapes: str) -> None:
        super().__init__(host="127.0.0.1", port=1, version=API_VERSION)  # type: ignore[no-untyped-call]
        self._shapes = {method: names.split() for method, names in shapes.items()}
        self._shorten: Shorten | None = None
        self.asked: list[str] = []

    @contextmanager
    def shortening(self, shorten: Shorten | None) -> Iterator[None]:
        """As `Wires` does it."""
        before, self._shorten = self._shorten, shorten
        try:
            yield
        finally:
            self._shorten = before

    def InvokeMethod(self, mo: object, info: Any, args: object, outerStub: object = None) -> object:  # noqa: N802, N803
        self.asked.append(info.wsdlName)
        names = self._shapes[info.wsdlName]
        body = (SHAPES / f"{names.pop(0) if len(names) > 1 else names[0]}.xml").read_bytes()
        reader = SoapResponseDeserializer(self)
        if self._shorten is not None and b":Fault>" not in body:
            body = self._shorten(body)
        found = reader.Deserialize(io.BytesIO(body), info.result)
        if reader.isFault:
            raise found
        return found

    def opened(self, *, place: Place = PLACE, whole_look: float = 0.0) -> Open:
        """As after a login at a server that answers for single settings."""
        made: Any = SimpleNamespace(
            stub=self,
            content=SimpleNamespace(propertyCollector=vmodl.query.PropertyCollector("propertyCollector", self)),
            views=(vim.view.ContainerView("session[1]2", self),),
            place=place,
            wires=self,
            memo=Memo(whole_look, keyed=True),
            sieve=Sieve(),
        )
        return made  # type: ignore[no-any-return]
