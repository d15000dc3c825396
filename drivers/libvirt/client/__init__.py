"""
The only package that calls libvirt's library: hosts, their VMs and the files of the shared pool. Blocking.

Whatever is called here raises `NotSent` (no connection), `Doubt` (no answer) or `Fault` (an error), and nothing else.
"""

from drivers.libvirt.client.binding import load
from drivers.libvirt.client.host import Host
from drivers.libvirt.client.library import library
from drivers.libvirt.client.pool_files import PoolFiles
from drivers.libvirt.client.watch import Watch

__all__ = ["Host", "PoolFiles", "Watch", "library", "load"]
