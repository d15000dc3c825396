"""
What a user says about a volume: its name and its options. Pure.

Never in here: I/O, or what became of the volume.

Invariant: what cannot be meant is refused with a sentence that says what can.
"""
