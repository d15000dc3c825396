"""
What people order: that nothing is done about a volume or a node for a while, that a node's VM is powered off.

Never in here: evidence. What an order did is read back by the next look, like everything else.
"""
