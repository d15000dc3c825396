"""
Connecting a disk that all nodes see, so that it may be written from this one. Blocks; may never come back.

Never in here: who ordered it, and whether it still counts.

Invariant: a disk that is in use here is not connected anew: if its key is gone, this node was fenced, and stays so.
"""
