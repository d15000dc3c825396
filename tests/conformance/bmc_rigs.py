"""The conformance suite's rigs for power alone: BMCs before real VMs, and what asks them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Self

from controller.model import Power, VmId
from drivers.base import PowerDriver
from drivers.bmc import create_fence_agent, create_ipmi, create_redfish
from reberth.testing import Kind, PowerRig
from tests.bmc.site import BmcSite


@dataclass(frozen=True, slots=True)
class PowerRigKind:
    kind: Kind
    make: Callable[[], AbstractAsyncContextManager[PowerRig]]


class BmcRig:
    def __init__(
        self,
        make: Callable[[Mapping[str, object]], PowerDriver],
        settings: Callable[[BmcSite], Mapping[str, object]],
    ) -> None:
        self._site = BmcSite()
        self._make = make
        self._settings = settings

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._site.__enter__)
        self.driver = self._make(self._settings(self._site))
        self._unused = iter(self._site.vms)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.driver.close()
        await asyncio.to_thread(self._site.__exit__)

    async def add_vm(self) -> VmId:
        return next(self._unused)

    async def switch(self, vm: VmId, power: Power) -> None:
        host = self._site.host
        await asyncio.to_thread(host.start if power is Power.ON else host.stop, vm)

    async def lose_host(self, vm: VmId) -> None:  # all are away together
        await asyncio.to_thread(self._site.kill)


BMC_RIGS = [
    PowerRigKind(Kind("redfish"), lambda: BmcRig(create_redfish, BmcSite.redfish)),
    PowerRigKind(Kind("ipmi"), lambda: BmcRig(create_ipmi, BmcSite.ipmi)),
    PowerRigKind(Kind("fence_redfish"), lambda: BmcRig(create_fence_agent, BmcSite.fence_redfish)),
    PowerRigKind(Kind("fence_ipmilan"), lambda: BmcRig(create_fence_agent, BmcSite.fence_ipmilan)),
]
