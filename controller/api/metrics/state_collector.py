"""The present state as gauges, read when Prometheus asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from controller.api.changes.quotas import quota_uses
from controller.api.status import allocated_bytes, state
from controller.model import AttachmentState, VolumeName, World
from controller.reconciler.history import hostname
from controller.reconciler.snapshots.schedule import there
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
        refused = "Boots that were not taken, as their node had named others a moment before"
        yield CounterMetricFamily("reberth_boots_refused", refused, value=float(self._state.boots_refused))
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
        yield from self._rooms(look.world)
        yield from self._quotas()

    def _quotas(self) -> Iterator[Metric]:
        found = quota_uses(self._state)
        had = (
            ("used_bytes", "Of the volumes that a quota is about, as asked for"),
            ("used_volumes", "How many it has"),
        )
        most = (("bytes", "What they may have together"), ("volumes", "How many there may be"))
        values = {each.selector: (each.bytes, each.volumes, each.most_bytes, each.most_volumes) for each in found}
        for index, (name, text) in enumerate((*had, *most)):
            family = GaugeMetricFamily(f"reberth_quota_{name}", text, labels=["quota"])
            for selector, numbers in values.items():
                if (number := numbers[index]) is not None:
                    family.add_metric([selector], float(number))
            yield family

    def _rooms(self, world: World) -> Iterator[Metric]:
        free = GaugeMetricFamily("reberth_storage_free_bytes", "Free where disks are made", labels=["place"])
        size = GaugeMetricFamily("reberth_storage_size_bytes", "What there is in all", labels=["place"])
        taken = GaugeMetricFamily(
            "reberth_volume_allocated_bytes", "What its disk takes in the storage", labels=["volume"]
        )
        for each in self._state.rooms:
            free.add_metric([each.name], float(each.free))
            size.add_metric([each.name], float(each.size))
        for name, record in (world.volumes or {}).items():
            if (allocated := allocated_bytes(self._state, record)) is not None:
                taken.add_metric([name], float(allocated))
        yield from (free, size, taken)

    def _volumes(self, world: World) -> Iterator[Metric]:
        words = {name: state(decision).lower() for name, decision in self._state.decisions.items()}
        words |= dict.fromkeys(self._state.unrecorded, "refused")
        many = Counter(words.values())
        totals = GaugeMetricFamily("reberth_volumes", "Volumes by state", labels=["state"])
        for word in STATES:
            totals.add_metric([word], many[word])
        yield totals
        yield _gauge("reberth_alarms", "Volumes that need a person", float(many["alarm"]))
        yield from _each_volume(world, words)
        yield from self._usage()
        yield from self._schedules(world)

    def _schedules(self, world: World) -> Iterator[Metric]:
        overdue = GaugeMetricFamily(
            "reberth_snapshot_overdue",
            "1 while a volume has no snapshot of the period that its schedule asks for",
            labels=["volume"],
        )
        newest = GaugeMetricFamily(
            "reberth_snapshot_newest_timestamp_seconds", "When its newest one by schedule was made", labels=["volume"]
        )
        for name, record in (world.volumes or {}).items():
            own = [each.at for each in there(record)]
            if record.spec.schedule is not None:
                overdue.add_metric([name], float(name in self._state.overdue))
            if own:
                newest.add_metric([name], max(own))
        yield from (overdue, newest)

    def _usage(self) -> Iterator[Metric]:
        used = GaugeMetricFamily("reberth_volume_used_bytes", "Of its file system", labels=["volume"])
        available = GaugeMetricFamily(
            "reberth_volume_available_bytes", "What containers may still write", labels=["volume"]
        )
        for name, found in self._state.gates.usages().items():
            used.add_metric([name], float(found.used))
            available.add_metric([name], float(found.available))
        yield from (used, available)


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
    silent = sum(node.silent_for is not None for node in (world.nodes or {}).values())
    for node in (world.nodes or {}).values():
        view = None if node.vm is None else world.gates.get(node.vm)
        if view is not None and view.node == node.id:
            heard.add_metric([node.hostname], view.age)
        ready.add_metric([node.hostname, node.id], float(node.down_for is None))
        labelled.add_metric([node.hostname, node.id], float(node.labelled))
    yield from (heard, ready, labelled)
    yield _gauge("reberth_suspected_nodes", 'Nodes that our own detector misses (detect = "gate")', float(silent))


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)
