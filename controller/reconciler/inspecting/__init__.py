"""
Asks the drivers now and then what will hurt some day: about VMs, and about room in the storage.

Never in here: anything that a decision waits for, or rests on.
"""
