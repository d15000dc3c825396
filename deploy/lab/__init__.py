"""
A whole Swarm on one machine: real dockerds in namespaces or in QEMU, with disks that a hypervisor of ours moves.

Never in here: a drill, or anything that the product needs.
"""
