"""The numbers of states and the lengths of the stories, printed at the end of every run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

SAID = "said"


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Add a line to the summary of the run. It goes with the test's report, so that workers' lines arrive too."""
    properties: list[tuple[str, object]] = request.node.user_properties
    return lambda line: properties.append((SAID, line))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.getreports(kind)]
    for report in reports:
        for name, line in report.user_properties if report.when == "call" else ():
            if name == SAID:
                terminalreporter.write_line(str(line))
