"""
Storage systems and hypervisors behind one contract (`drivers.base`). Drivers know the words of `controller.model` only.

Never in here: Swarm, the records, a decision, or a retry (the loop is the retry).

Invariant: "not found", "no answer" and a partial answer are unknown, never "detached" or "off".
"""
