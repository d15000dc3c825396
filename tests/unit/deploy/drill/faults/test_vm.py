"""What must be seen of a machine that hung."""

from __future__ import annotations

from deploy.drill.faults.vm import judge


def test_a_machine_that_hung_must_have_met_errors_and_its_postgresql_must_have_ended() -> None:
    met = "EXT4-fs error: Aborting journal on device sda-8."

    assert judge("exited, code 1", met) == ()
    assert judge("", met) == ("the PostgreSQL on the machine that hung did not end",)
    assert judge("exited, code 0", "eth0: link up") == (
        "the kernel of the machine that hung met no I/O error: it may have had a disk",
    )
