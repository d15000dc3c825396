"""
Orders to gates to connect a disk on their node (`drivers.nodes`): waiting, sent, answered.

Never in here: a decision, a retry, or what a driver makes of an answer.

Invariant: what was sent and not answered in time is in doubt; only what was surely never sent is unreachable.
"""
