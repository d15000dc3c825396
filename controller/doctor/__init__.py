"""
What is wrong, or will be, with the swarm that Reberth runs on: each finding with its cure. Pure.

Never in here: a decision about a volume, evidence, or I/O. Advice may be late or miss something; nothing rests on it.

Invariant: a swarm as the README makes it has no finding.
"""
