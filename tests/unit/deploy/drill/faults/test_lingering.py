"""What must be seen of a machine that was missed."""

from __future__ import annotations

from controller.model import EvidenceKind
from deploy.drill.faults.lingering import expected, judge, judge_power


def test_a_machine_that_lost_its_disk_must_have_met_errors_and_its_postgresql_must_have_ended() -> None:
    met = "EXT4-fs error: Aborting journal on device sda-8."

    assert judge("exited, code 1", met) == ()
    assert judge("", met) == ("the PostgreSQL on the machine that was missed did not end",)
    assert judge("exited, code 0", "eth0: link up") == (
        "the kernel of the machine that was missed met no I/O error: it may have had a disk",
    )


def test_a_machine_that_lost_its_power_must_be_off() -> None:
    assert judge_power("off") == ()
    for power, word in (("frozen", "frozen"), ("on", "on"), ("", "unknown")):
        assert judge_power(power) == (f"the machine that was missed is {word}, and had to be off",)


def test_the_labs_policy_says_which_evidence_there_must_be() -> None:
    assert expected("power-off").evidence is EvidenceKind.POWERED_OFF
    assert expected("detach").evidence is EvidenceKind.DETACHED
    assert expected("detach").or_else is None
