"""
What is done after a VM was changed, for people and for order.

Invariant: it is short, and nothing fails for it.
"""
