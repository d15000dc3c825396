"""What keeps vCenter from changing a VM."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drivers.vsphere.obstacles import Obstacles, Store, sentences


@pytest.mark.parametrize(
    ("found", "cure"),
    [
        (Obstacles(snapshot=True), "delete the snapshot"),
        (Obstacles(consolidation=True), "Snapshots > Consolidate"),
        (Obstacles(question="msg.hbacommon.outofspace: no more space"), "answer it in the vSphere Client"),
        (Obstacles(disabled=frozenset({"ReconfigVM_Task"})), "switch them on again"),
        (Obstacles(encrypted=True), "Cryptographic operations > Add disk"),
        (Obstacles(stores=(Store("DS", mount="has not mounted"),), host="esx1"), "mount it on all hosts"),
        (Obstacles(host="esx1", leaving=True), "move swarm01 to another one"),
        (Obstacles(hardware=13, wide=True), "disks_per_controller = 15"),
        (Obstacles(sharing=("[DS] reberth/a.vmdk",)), "nothing locks it"),
        (Obstacles(forgetful=("[DS] reberth/a.vmdk",)), "copy the data away first"),
        (Obstacles(stores=(Store("DS", accessible=False),)), "before the paths are back"),
        (Obstacles(stores=(Store("OK"), Store("DS", maintenance="inMaintenance"))), "end that"),
        (Obstacles(stores=(Store("DS", free_bytes=2**20),)), "until there is room"),
    ],
)
def test_each_obstacle_is_one_sentence_with_its_cure(found: Obstacles, cure: str) -> None:
    (sentence,) = sentences("swarm01", found)
    assert cure in sentence
    assert "swarm01" in sentence or "DS" in sentence


def test_a_vm_in_order_has_none() -> None:
    usual = Obstacles(disabled=frozenset({"PowerOnVM_Task"}), stores=(Store("DS", True, "normal", 2**40),))
    usual = replace(usual, hardware=14, wide=True)
    assert sentences("swarm01", usual) == ()
