"""Waiting for changes of power, hosts and disks."""

from __future__ import annotations

from pyVmomi import vim, vmodl

from drivers.shared.faults import NotSent
from drivers.shared.settings import SettingsError
from drivers.vsphere.client.login import LoginGuard
from drivers.vsphere.client.parts import Collector, properties_of, ref_of, through, translated
from drivers.vsphere.client.session import HOST_PROPERTIES, Open, Session
from drivers.vsphere.requests import Update
from drivers.vsphere.settings import Settings

_WATCHED = ("config.uuid", "runtime.powerState", "runtime.connectionState", "runtime.host", "config.hardware.device")


class Watch:
    """A session that waits for changes. A collector of its own: it must not stand in the way of other requests."""

    def __init__(self, settings: Settings, timeout: float, guard: LoginGuard | None = None) -> None:
        try:
            self._session = Session(settings, timeout, guard)
        except SettingsError as error:  # it was right at the start: it may be again
            raise NotSent(str(error)) from None
        self._version = ""
        try:
            self._collector = self._session.run(_watching)
        except BaseException:
            self._session.cut()
            raise

    def wait(self, seconds: int) -> Update | None:
        """Changes since the last call; None when there were none for so long."""
        with translated():
            found = self._collector.WaitForUpdatesEx(self._version, Collector.WaitOptions(maxWaitSeconds=seconds))
        if found is None:
            return None
        self._version = found.version
        changed: dict[str, str | None] = {}
        for each in (update for part in found.filterSet for update in part.objectSet):
            uuids = [change.val for change in each.changeSet if change.name == "config.uuid" and change.val]
            changed.setdefault(ref_of(each.obj), None)
            if uuids:
                changed[ref_of(each.obj)] = str(uuids[-1])
        return Update(changed)

    def close(self) -> None:
        self._session.cut()


def _watching(now: Open) -> vmodl.query.PropertyCollector:
    collector: vmodl.query.PropertyCollector = now.content.propertyCollector.CreatePropertyCollector()
    specs = [properties_of(vim.VirtualMachine, _WATCHED), properties_of(vim.HostSystem, HOST_PROPERTIES)]
    collector.CreateFilter(Collector.FilterSpec(objectSet=through(now.views), propSet=specs), False)
    return collector
