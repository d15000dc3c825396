"""
What is done now and then for volumes that are mounted: how full they are, what was deleted is given back.

Never in here: a call that nobody can do without; or one on which a mount, an unmount or a report waits.

Invariant: of each volume one such call is under way at most; what a dead disk never answers holds nobody else.
"""
