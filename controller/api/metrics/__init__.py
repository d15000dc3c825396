"""
Numbers for Prometheus and the health checks, on a port of their own without authentication.

Never in here: anything that changes something, or a label whose values a stranger could multiply without bound.
"""
