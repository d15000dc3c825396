"""
The loop: observe, plan, act. It writes an intent before each call to the storage and its outcome after.

Never in here: a decision (that is the planner's), or who is on the other end of a connection (that is the API's).

Invariant: before each changing call leadership is read afresh; a call that got no answer is in doubt, not failed.
"""
