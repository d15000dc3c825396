"""
What cannot be observed and so is kept, in Swarm's Raft, and who may write it: volumes, nodes, epoch, leadership.

Never in here: what the storage or Swarm can tell by themselves, and a decision about a volume.

Invariant: every write is a compare-and-set on the version that the decision rests on.
"""
