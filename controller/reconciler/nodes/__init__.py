"""
Whether a node's VM is dead, and who is told.

**Invariant:** an event is a poke and never a fact; a VM counts as off only when the hypervisor says so and no gate
contradicts; Swarm is told only what counts.
"""
