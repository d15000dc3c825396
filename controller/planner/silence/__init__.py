"""
Nodes that Swarm calls ready, and that we hear no more (`detect = "gate"`): who may be fenced for it, and how. Pure.

**Invariant:** silence is no evidence: it begins a grace, and a power-off that is read back.
"""
