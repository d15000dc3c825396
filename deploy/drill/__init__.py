"""
Drills: break something, watch the recovery, compare every acknowledged commit, write a report.

Never in here: how a lab is made (deploy/lab).
"""
