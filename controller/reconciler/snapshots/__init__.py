"""
Snapshots of volumes, beside the loop: made, deleted, and volumes restored from them, as their records say.

Never in here: anything that a failover waits for.
"""
