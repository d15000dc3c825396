"""
libvirt's Python binding, found where Debian puts it.

It is a C extension made for one version of libvirt: the distribution's package (python3-libvirt) fits the installed
libvirt, while PyPI has its source only. A virtual environment does not see the distribution's packages, so exactly
these two modules are taken from there, and nothing else of that folder becomes visible.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

DISTRIBUTION = ("/usr/lib/python3/dist-packages",)
_MODULES = ("libvirtmod", "libvirt")  # the second imports the first


def load(folders: Sequence[str] = DISTRIBUTION) -> Any:
    """The module ``libvirt``. Raises ImportError with the cure."""
    if "libvirt" in sys.modules:
        return sys.modules["libvirt"]
    try:
        return importlib.import_module("libvirt")
    except ImportError:
        return [_load(name, folders) for name in _MODULES][-1]


def _load(name: str, folders: Sequence[str]) -> ModuleType:
    spec = PathFinder.find_spec(name, list(folders))
    if spec is None or spec.loader is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise ImportError(
            f"libvirt's client for Python {version} is not installed: `apt-get install python3-libvirt` "
            "(it fits the distribution's own python3 only)"
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
