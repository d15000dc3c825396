"""
Volumes grow, and snapshots are made of them, under load, and something is killed at each step of it:
`python -m tests.drills.under_load`, as root. Each line whose fsync was acknowledged is looked for afterwards.
"""
