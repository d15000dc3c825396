"""Labs and drills: a whole Swarm on one machine, and what breaks it on purpose. Nothing of the product imports it."""
