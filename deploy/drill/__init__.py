"""The drill: break something on purpose, watch the recovery, check every acknowledged commit, write a report."""
