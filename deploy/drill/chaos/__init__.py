"""
Faults nobody thought of: overlapping ones from a seed, several writers, and an audit after each episode.

Never in here: a fault without its cure, or a verdict that rests on the controller's word alone.
"""
