"""
The command line `reberth`: asks the acting controller, and shows its answers to people and programs.

Never in here: a decision, or a fact that the controller does not tell.
"""
