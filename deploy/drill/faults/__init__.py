"""What a drill breaks, one file a kind, and what must be true afterwards."""
