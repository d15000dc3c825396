"""The present state as gauges, read when Prometheus asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from controller.api.status import state
from controller.model import AttachmentState, VolumeName, World
from controller.reconciler.history import hostname
from controller.reconciler.state import LoopState
from controller.records.base import Acting

STATES = ("ok", "starting", "working", "waiting", "refused", "alarm", "kept", "paused", "unknown")


class StateCollector(Collector):
    def __init__(self, state: LoopState, acting: Acting) -> None:
        self._state = state
        self._acting = acting
        self._clock = state.clock

    def collect(self) -> Iterator[Metric]:
        epoch = self._acting.epoch
        yield _gauge("reberth_acting", "1 on the controller that acts", float(epoch is not None))
        if epoch is None:
            return
        yield _gauge("reberth_epoch", "The epoch of the acting controller", float(epoch))
        look = self._state.look
        if look is None:
            return
        yield _gauge("reberth_look_age_seconds", "Since the last look began", self._clock() - look.began)
        yield _gauge("reberth_unread_parts", "What could not be read in the last look", float(len(look.world.unread)))
        yield _gauge("reberth_paused", "1 while a person has paused all volumes", float(look.world.paused is not None))
        parts = GaugeMetricFamily("reberth_paused_parts", "1 for what a person has paused", labels=["kind", "name"])
        for part in look.world.paused_parts:
            parts.add_metric([part.kind, part.name], 1.0)
        yield parts
        yield from self._volumes(look.world)
        yield from _nodes(look.world)

    def _volumes(self, world: World) -> Iterator[Metric]:
        words = {name: state(decision).lower() for name, decision in self._state.decisions.items()}
        many = Counter(words.values())
        totals = GaugeMetricFamily("reberth_volumes", "Volumes by state", labels=["state"])
        for word in STATES:
            totals.add_metric([word], many[word])
        yield totals
        yield _gauge("reberth_alarms", "Volumes that need a person", float(many["alarm"]))
        yield from _each_volume(world, words)


def _each_volume(world: World, words: Mapping[VolumeName, str]) -> Iterator[Metric]:
    states = GaugeMetricFamily("reberth_volume_state", "1 for the state of a volume", labels=["volume", "state"])
    info = GaugeMetricFamily(
        "reberth_volume_info",
        "Always 1; what a volume is and where its disk is attached",
        labels=["volume", "node", "service", "fstype", "disk"],
    )
    sizes = GaugeMetricFamily("reberth_volume_size_bytes", "What was asked for", labels=["volume"])
    places = {each.disk: each.vm for each in world.attachments or () if each.state is AttachmentState.ATTACHED}
    for name, word in words.items():
        states.add_metric([name, word], 1.0)
    for name, record in (world.volumes or {}).items():
        node = hostname(world, None if record.disk is None else places.get(record.disk))
        info.add_metric([name, node, record.service, record.spec.fstype, record.disk or ""], 1.0)
        sizes.add_metric([name], float(record.spec.size_bytes))
    yield from (states, info, sizes)


def _nodes(world: World) -> Iterator[Metric]:
    heard = GaugeMetricFamily(
        "reberth_gate_last_heard_seconds",
        "Since the gate of a node last spoke to the acting controller",
        labels=["node"],
    )
    ready = GaugeMetricFamily("reberth_node_ready", "1 while Swarm calls the node ready", labels=["node", "id"])
    labelled = GaugeMetricFamily(
        "reberth_node_labelled", "1 while the node bears the label of the dead", labels=["node", "id"]
    )
    for node in (world.nodes or {}).values():
        view = None if node.vm is None else world.gates.get(node.vm)
        if view is not None and view.node == node.id:
            heard.add_metric([node.hostname], view.age)
        ready.add_metric([node.hostname, node.id], float(node.down_for is None))
        labelled.add_metric([node.hostname, node.id], float(node.labelled))
    yield from (heard, ready, labelled)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)
