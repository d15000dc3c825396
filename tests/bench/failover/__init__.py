"""
Failovers side by side: `python -m tests.bench.failover`. Root.

In each round one node is broken that runs three PostgreSQLs of the same image: one without state that moves, one on a
volume of Reberth, and one on such a volume whose service also has the constraint on the node label. All are asked in
the same way, from the fault until one that started after it acknowledges a commit.
"""
