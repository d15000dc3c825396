"""
What people change of a volume: that it is there, its size, its snapshots.

Never in here: a call that takes something from a disk.
"""
