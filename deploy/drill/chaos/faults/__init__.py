"""
What chaos can break in a lab of namespaces, by subject; `catalogue` has all of it.

Never in here: a fault without its cure, or one that may not be done and cured twice.
"""
