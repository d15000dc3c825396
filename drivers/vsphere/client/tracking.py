"""
The inventory by what vCenter says has changed: for thousands of VMs, of which hardly one changes.

An update only names objects: they are then read themselves, so nothing is believed that was not read. Everything is
read at the beginning of a session, and again now and then; where that shows something else than the updates had told,
they are not used any more.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from pyVmomi import vim, vmodl

from drivers.shared.faults import CallError, Doubt
from drivers.vsphere.client.parts import PAGE, Collector, properties_of, ref_of, translated
from drivers.vsphere.inventory import Datastore, Host, Vm

log = structlog.get_logger()
Entity = Vm | Host | Datastore
# What makes vCenter name an object. Values are not needed, and not decoded: see `without_values`.
_WATCHED = {
    vim.VirtualMachine: (
        *("name", "config.uuid", "config.changeVersion", "config.hardware.device", "config.flags.diskUuidEnabled"),
        *("runtime.powerState", "runtime.connectionState", "runtime.host", "datastore"),
    ),
    vim.HostSystem: ("runtime.connectionState",),
    vim.Datastore: ("summary.name", "summary.url", "summary.accessible"),
}
_VALUES = re.compile(rb"<changeSet>.*?</changeSet>", re.DOTALL)


def without_values(body: bytes) -> bytes:
    """An answer with the names of changed objects only. Text in values is escaped, so nothing else looks like this."""
    return _VALUES.sub(b"", body)


class Tracker:
    """
    Of one login; may be used by several threads.

    ``whole`` reads all objects, ``some`` those that are named (a managed object that is gone: ManagedObjectNotFound);
    ``shortened`` makes answers of this thread smaller. ``every``: seconds after which everything is read again.
    """

    def __init__(
        self,
        whole: Callable[[], tuple[Entity, ...]],
        some: Callable[[Iterable[Any]], Iterable[Entity]],
        every: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._whole = whole
        self._some = some
        self._every = every
        self._clock = clock
        self._lock = threading.Lock()
        self._collector: Any = None
        self._version = ""
        self._known: dict[str, Entity] = {}
        self._changed: dict[str, Any] = {}
        self._untold: set[str] = set()  # a whole look showed them changed, and no update did yet
        self._due = 0.0
        self._began: float | None = None  # the last look that ended well
        self._trusted = every > 0

    def look(self, begin: Callable[[], Any]) -> tuple[Entity, ...]:
        """
        All objects, as of after this call began. ``begin`` makes a collector with a filter over them.

        What was read is kept when the caller gives up meanwhile: the next call goes on from there. Callers that wait
        for one look share the next: many disks that come at once do not ask once each.
        """
        if not self._trusted:
            return self._whole()
        came = self._clock()
        with self._lock:
            if self._began is not None and came < self._began:
                return tuple(self._known.values())
            began, self._began = self._clock(), None
            if self._collector is None:
                self._forget()
                self._collector = begin()
            try:
                self._poll()
                self._judge()
                if self._clock() >= self._due:
                    self._refresh()
                else:
                    self._reread()
            except BaseException:
                self._destroy()  # which updates were lost is not known
                raise
            self._began = began
            return tuple(self._known.values())

    def _forget(self) -> None:
        self._version, self._due = "", 0.0
        self._known, self._changed, self._untold = {}, {}, set()

    def _destroy(self) -> None:
        gone, self._collector = self._collector, None
        with contextlib.suppress(CallError), translated():  # it went with its session, or goes with it
            gone.DestroyPropertyCollector()

    def _judge(self) -> None:
        """Whoever was seen changed must have been named by now."""
        missed = sorted(self._untold - self._changed.keys())
        self._untold = set()
        if missed:
            self._trusted = False
            log.warning(
                "look.differs",
                objects=missed[:5],
                why="vCenter's updates did not tell of changes: from now on everything is read each time",
            )
            self._due = 0.0

    def _poll(self) -> None:
        while True:
            wanted = Collector.WaitOptions(maxWaitSeconds=0, maxObjectUpdates=PAGE)
            found = self._collector.WaitForUpdatesEx(self._version, wanted)
            if found is None:
                return
            for each in (update for part in found.filterSet for update in part.objectSet):
                self._note(each)
            if not found.truncated:
                self._version = found.version
                return
            if found.version == self._version:  # a thread that asks for ever would hold all others up
                raise Doubt("vCenter's updates do not come to an end")
            self._version = found.version

    def _note(self, update: Any) -> None:
        ref = ref_of(update.obj)
        if update.kind == "leave":
            self._known.pop(ref, None)
            self._changed.pop(ref, None)
        else:
            self._changed[ref] = update.obj

    def _refresh(self) -> None:
        first = not self._known
        if first:
            self._changed.clear()
        self._reread()
        before = self._known
        self._known = {each.ref: each for each in self._whole()}
        self._due = self._clock() + self._every
        if first:
            return
        self._poll()  # what changed while all was read is no lie
        self._untold = {
            ref
            for ref, each in self._known.items()
            if ref not in self._changed and ref in before and before[ref] != each
        }
        self._reread()

    def _reread(self) -> None:
        while self._changed:
            some = list(self._changed)[:PAGE]
            try:
                for each in self._some([self._changed[ref] for ref in some]):
                    self._known[each.ref] = each
            except vmodl.fault.ManagedObjectNotFound as error:
                gone = None if error.obj is None else ref_of(error.obj)
                if gone not in self._changed:
                    raise
                self._known.pop(gone, None)
                del self._changed[gone]
                continue
            for ref in some:
                del self._changed[ref]


def watch_all(content: Any, objects: list[Any]) -> Any:
    """A collector of its own, whose updates name whatever changes in the views of ``objects``."""
    collector: Any = content.propertyCollector.CreatePropertyCollector()
    specs = [properties_of(kind, paths) for kind, paths in _WATCHED.items()]
    collector.CreateFilter(Collector.FilterSpec(objectSet=objects, propSet=specs), False)
    return collector
