"""
What people order for a while: that nothing is done about a volume or a node.

Never in here: a call to the storage or the hypervisor; the loop makes those, by what it reads then.
"""
