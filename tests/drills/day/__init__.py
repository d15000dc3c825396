"""
A day with Docker on a lab of three managers and two workers: `python -m tests.drills.day`, as root, about ten minutes.

After each step the data of all volumes, and what `reberth status` says, are compared with what a person would expect,
with Swarm, and with the storage's own lists.
"""
