"""
The Docker volume plugin of a node: holds a container until its disk is there and checked, and unmounts after it.

Never in here: a storage system, a decision about who may have a volume, or anything that must be configured to start.

Invariant: nothing is mounted without a grant, and nothing is called unmounted whose device may be in use.
"""
