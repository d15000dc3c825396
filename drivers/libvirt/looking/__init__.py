"""
One look at all hosts: their VMs, and the pools in which our disks are.

Invariant: what one host or one pool does not tell is a gap with a sentence, and holds nothing that lies elsewhere.
"""
