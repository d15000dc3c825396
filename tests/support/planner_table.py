"""Every situation that the planner tells apart, by name: a World, the placement in it, and the step that follows."""

from __future__ import annotations

from collections.abc import Mapping

from controller.model import World
from controller.planner.actions import Action
from controller.planner.placement import Placement
from tests.support.planner_rows_early import EARLY
from tests.support.planner_rows_late import LATE
from tests.support.planner_rows_silent import SILENT_ROWS
from tests.support.planner_rows_snapshots import SNAPSHOT_ROWS

Row = tuple[World, Placement, type[Action]]
TABLE: Mapping[str, Row] = {**EARLY, **LATE, **SILENT_ROWS, **SNAPSHOT_ROWS}
