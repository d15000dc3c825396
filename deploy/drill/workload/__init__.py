"""Who writes rows while it breaks, and the comparison of what was acknowledged with what is there."""
