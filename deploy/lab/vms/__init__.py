"""The lab of virtual machines: QEMU under a libvirtd of its own."""
