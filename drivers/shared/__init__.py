"""
What drivers share: one ladder from errors to outcomes, locks, and what a process knows of the copies that it makes.

Never in here: anything about one storage system.
"""
