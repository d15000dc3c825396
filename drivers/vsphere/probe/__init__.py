"""
`reberth vsphere probe`: what a real vCenter says, as a report that can be sent to us and loaded into the simulator.

Invariant: nothing is changed but on the one VM that is named as scratch; no name, address, UUID or setting of the site
is in a report.
"""

from drivers.vsphere.probe.steps import probe

__all__ = ["probe"]
