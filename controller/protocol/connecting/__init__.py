"""
Orders to a gate about a disk that all nodes see: connect it here, undo that. And the gate's word about them.

Never in here: how it is done on a node, or when it is wanted.

Invariant: an order says under which epoch it was given, and its answer says which order it is about.
"""
