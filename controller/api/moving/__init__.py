"""
Planned moves: Swarm is asked to start a task elsewhere, or to empty a node; the volumes follow as they always do.

Never in here: anything that is done to a volume, its record or its disk.
"""
