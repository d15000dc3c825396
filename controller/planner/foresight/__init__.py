"""
Plans for people: what the planner would do in a World that is only supposed. Pure.

Never in here: anything that the controller acts on.
"""
