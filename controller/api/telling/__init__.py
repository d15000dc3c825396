"""
Tells others of alarms and finished moves, as they happen: by POST to an address, by a program that is started.

Never in here: anything that a failover waits for.
"""
