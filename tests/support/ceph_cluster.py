"""Who has an image open, and a blocklist, in memory: as Ceph keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from drivers.libvirt.rbd.answers import FENCE_SECONDS, Blocklist


@dataclass
class CephCluster:
    """``coming``: clients that open the image one after the other, each when the one before was blocked."""

    open: list[str] = field(default_factory=list)
    entries: dict[str, datetime] = field(default_factory=dict)
    coming: list[str] = field(default_factory=list)
    deaf: bool = False  # says that it blocked, and did not
    asked: list[str] = field(default_factory=list)

    async def clients(self, image: str) -> list[str]:
        self.asked.append("clients")
        return list(self.open) if image else []

    async def blocklist(self) -> Blocklist:
        self.asked.append("blocklist")
        return Blocklist(dict(self.entries))

    async def block(self, address: str) -> None:
        """An entry that is there keeps its end."""
        if not self.deaf:
            self.entries.setdefault(address, datetime.now(UTC) + timedelta(seconds=FENCE_SECONDS))
        if self.coming:
            self.open.append(self.coming.pop(0))

    async def unblock(self, address: str) -> None:
        self.entries.pop(address, None)
