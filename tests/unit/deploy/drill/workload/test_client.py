from collections.abc import Sequence

from deploy.drill.workload.client import CommitLog, Server

SERVER = Server("10.0.0.1", 1.0, "7", "15")


def test_what_is_committed_while_the_table_is_read_is_neither_lost_nor_invented() -> None:
    log = CommitLog()
    log.acknowledge(log.attempt(), 1.0, SERVER)

    def read() -> Sequence[int]:
        """The client commits number 2 before the table is read, and number 3 after it."""
        log.acknowledge(log.attempt(), 2.0, SERVER)
        present = [1, 2]
        log.acknowledge(log.attempt(), 3.0, SERVER)
        return present

    found = log.compare(read)

    assert found.clean
    assert (found.acknowledged, found.present) == (1, 2)


def test_what_was_acknowledged_before_the_table_is_read_must_be_in_it() -> None:
    log = CommitLog()
    log.acknowledge(log.attempt(), 1.0, SERVER)

    assert log.compare(list).lost == (1,)
