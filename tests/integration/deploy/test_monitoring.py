"""Alerts, dashboard and metrics fit each other: promtool, and a real Prometheus that scrapes a controller."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from controller.api.metrics.meters import Meters
from controller.api.metrics.server import metrics_application
from controller.model import Epoch
from controller.reconciler.state import LoopState
from deploy.lab.debian.packages import install
from tests.support.executors import Leading
from tests.support.ports import free_port

PROJECT = Path(__file__).resolve().parents[3]
RULES = PROJECT / "deploy" / "monitoring" / "reberth.rules.yml"
DASHBOARD = PROJECT / "deploy" / "monitoring" / "grafana-reberth.json"


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    if shutil.which("promtool") is None:
        install(("prometheus",), print)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(RULES, tmp_path)
    shutil.copy(PROJECT / "tests" / "fixtures" / "reberth.rules.test.yml", tmp_path)
    return tmp_path


@pytest.fixture
async def controller() -> AsyncIterator[tuple[str, int]]:
    clock = asyncio.get_running_loop().time
    runner = web.AppRunner(metrics_application(Meters(), LoopState(clock), Leading(Epoch(7))))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][:2]
    await runner.cleanup()


def test_each_alert_fires_in_its_case_and_not_before(folder: Path) -> None:
    done = subprocess.run(
        ["promtool", "test", "rules", "reberth.rules.test.yml"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_its_case_and_its_runbook() -> None:
    alerts = set(re.findall(r"alert: (\w+)", RULES.read_text()))
    cases = (PROJECT / "tests" / "fixtures" / "reberth.rules.test.yml").read_text()
    headings = re.findall(r"^### (\w+)$", (PROJECT / "docs" / "monitoring.md").read_text(), re.MULTILINE)
    assert alerts == set(headings) == set(re.findall(r"alertname: (\w+)", cases))


async def test_the_metrics_are_well_formed_and_every_name_in_use_is_one_of_them(controller: tuple[str, int]) -> None:
    async with aiohttp.ClientSession() as session, session.get("http://{}:{}/metrics".format(*controller)) as answer:
        text = await answer.text()
    checked = await asyncio.create_subprocess_exec("promtool", "check", "metrics", stdin=PIPE, stdout=PIPE, stderr=PIPE)
    said = await checked.communicate(text.encode())
    assert checked.returncode == 0, said
    documented = (PROJECT / "docs" / "monitoring.md").read_text()
    named = set(re.findall(r"reberth_[a-z_]+", DASHBOARD.read_text() + RULES.read_text()))
    named = {re.sub(r"_(bucket|count|sum)$", "", each) for each in named}
    assert [each for each in sorted(named) if each not in documented] == []
    told = set(re.findall(r"^# TYPE (reberth_[a-z_]+)", text, re.MULTILINE))
    assert [each for each in sorted(told) if each not in documented and not each.endswith("_created")] == []


def test_the_dashboard_is_json_with_a_query_in_each_panel() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert panels
    assert all(target["expr"] for panel in panels for target in panel["targets"])


async def test_a_real_prometheus_scrapes_a_controller_and_loads_the_alerts(
    folder: Path, controller: tuple[str, int]
) -> None:
    port = free_port()
    target = "{}:{}".format(*controller)
    settings = {
        "global": {"scrape_interval": "1s"},
        "rule_files": ["reberth.rules.yml"],
        "scrape_configs": [{"job_name": "reberth", "static_configs": [{"targets": [target]}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(settings))  # JSON is YAML
    words = ("--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{port}")
    process = await asyncio.create_subprocess_exec(
        "prometheus", *words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            assert await answered(session, "/api/v1/query?query=reberth_epoch", '"7"')
            assert await answered(session, "/api/v1/rules", "ReberthNobodyActs")
    finally:
        process.terminate()
        await process.wait()


async def answered(session: aiohttp.ClientSession, path: str, words: str) -> bool:
    """Prometheus starts, scrapes each second, and then knows it."""
    async with asyncio.timeout(60):
        while True:
            try:
                async with session.get(path) as answer:
                    if words in await answer.text():
                        return True
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.2)
