"""
`reberth chaos` from a checkout: ``python -m deploy.chaos --for 30m``. See deploy/drill/chaos.

One fault, now, is the lab's own business: `reberth lab power-off swarm02`.
"""

from __future__ import annotations

from deploy.drill.chaos.cli import app

if __name__ == "__main__":
    app()
