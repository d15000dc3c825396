"""
Swarm as it is now: nodes, and who wants which volume. Events wake, lists decide.

Never in here: storage, the records, or a decision about a volume.

Invariant: what could not be read is an error, never an empty answer.
"""
