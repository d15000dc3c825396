"""
What the gate asks of the node's kernel: devices, file systems, mounts, programs. No state of its own.

Never in here: a message, a grant, or a volume's state.

Invariant: never format what is not blank; what a disk brings along is hostile until checked.
"""
