"""In which pool a volume's disk is made: what its options say, else the settings. Pure."""

from __future__ import annotations

from controller.model import DriverOption, Spec
from drivers.base import Refused
from drivers.libvirt.faults import Fault, Kind
from drivers.libvirt.looking.pools import Pool, Pools
from drivers.libvirt.settings import Settings
from drivers.shared.faults import CallError
from drivers.shared.outcomes import Failure, not_begun

POOL = "pool"


def options(settings: Settings) -> tuple[DriverOption, ...]:
    if settings.rbd is not None:
        return ()
    about = "where the disk is made; of a copy: its source's"
    return (DriverOption(POOL, settings.pool_names, settings.pool, about, copies=True),)


def place_of(spec: Spec) -> str | None:
    """The pool that the options say; None: they say none."""
    return dict(spec.for_driver).get(POOL)


def said_pool(pools: Pools, name: str) -> Pool | CallError | Refused:
    if name in pools.names:
        return pools.usable_or(name)
    return Refused(
        f"the pool {name} is not among those of the settings ({', '.join(pools.names)})",
        cure=f"take one of them, or put {name} into pools of the settings",
    )


def unable(found: Pool | CallError | Refused) -> Pool | Failure:
    """
    The pool, or what is answered where nothing can be made in it.

    What a person has to mend is told at once; that a pool is started is waited for: a host may be coming back.
    """
    if isinstance(found, Fault):
        waits = found.kind is Kind.STATE
        return Refused(str(found), cure=None if waits else "do that, or give the volume another pool of the settings")
    return not_begun(found) if isinstance(found, CallError) else found
