"""
Ways back: a disk that no record knows is taken over, a removal is taken back.

Never in here: a call that changes what is on a disk, or deletes one.
"""
