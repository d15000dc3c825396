"""
The node service: makes, enables and upgrades the gate of its node, and reports the node's VM.

Never in here: a mount, or anything that a volume depends on while it is in use.

Invariant: a gate is exchanged only while no container of its node uses a volume.
"""
