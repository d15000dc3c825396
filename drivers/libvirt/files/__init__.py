"""Disks as image files in a pool that the hosts share: QEMU's lock on the file is the last guard."""
