"""
What other packages may build on: the contract of drivers (`reberth.driver`) and the suite that holds one to it
(`reberth.testing`).

Everything else of this distribution (controller, drivers, watchers) may change with each version.
"""

from importlib.metadata import version

__version__ = version("reberth")
