"""The library for traces is an extra: a controller starts without it."""

from __future__ import annotations

import subprocess
import sys


def test_a_controller_that_sends_no_traces_imports_nothing_of_the_library() -> None:
    """It is an extra: the image is without it."""
    look = "import sys, controller.app; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0


def test_a_missing_library_is_a_sentence_that_says_what_to_install() -> None:
    ask = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from controller.api.telling.traces import endpoint\n"
        "from controller.settings import SettingsError\n"
        "try: endpoint('http://x')\n"
        "except SettingsError as error: sys.exit('reberth[otel]' not in str(error))\n"
        "sys.exit(2)"
    )
    assert subprocess.run([sys.executable, "-c", ask], check=False).returncode == 0
