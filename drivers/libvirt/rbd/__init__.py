"""
Disks as RBD images of a Ceph cluster, which QEMU opens itself.

QEMU has no lock on them that another QEMU cannot have. So two things of Ceph's take the place of the lock on a file:
an image gets a new name before each attach, so that an attach that comes late finds none; and whoever still has it
open is blocklisted, and the entry read back, before another VM gets it.
"""
