"""Stands between a controller and Docker, and strikes at one write or call of a failover."""
