"""
What the controller orders about disks that all nodes see: connect one here, or undo that.

Never in here: a connection that nobody ordered, and a second try.

Invariant: an order of an older epoch than one that was taken is refused; a disk has one order under way at most.
"""
