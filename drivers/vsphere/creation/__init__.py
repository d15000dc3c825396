"""
How a volume's disk comes to be, on which datastore, empty or as a copy.

Invariant: what is not whole is never found under a disk's name, and no file is written over.
"""
