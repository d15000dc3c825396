"""
Chaos on a swarm that is there already: known by a Docker context alone.

Never in here: a call that changes a service, a volume or a label that this run has not made, or breaks a node that was
not named.
"""
