"""
People on workstations: whom a certificate of the operators' CA names, what it lets them do, and their port.

Never in here: a certificate of Swarm's that counts, or a change that does not say who asked for it.
"""
