"""
The decision: what was read in one cycle (`World`) -> exactly one action a volume. Pure.

Never in here: asyncio, a clock, I/O, a client library, or anything that is remembered from one decision to the next.

Invariant: the same World and Policy give the same actions, so any leader finishes what another began.
"""
