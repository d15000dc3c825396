"""
The ways in: ports that stand a crowd, and the socket for root.

Never in here: what a request means.
"""
