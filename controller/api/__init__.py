"""
Who asks: gates, nodes and people. Each request becomes a question to, or a record for, the loop.

Never in here: a call to the storage, or a decision about a volume.

Invariant: a gate can speak only for the node that its certificate names.
"""
