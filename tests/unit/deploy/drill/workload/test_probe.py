from deploy.drill.workload.probe import SLOT, Writer, parse, read


def slot(task: str, sequence: int, ms: int, epoch: int = 1, node: str = "swarm01") -> bytes:
    return f"reberth-probe 1 {epoch} {task} {node} {sequence} {ms}".encode().ljust(SLOT - 1) + b"\n"


def test_writers_one_after_the_other_do_not_overlap() -> None:
    found = read(
        bytes(SLOT) + slot("a", 1, 1000) + slot("a", 2, 1200) + slot("b", 3, 9000, node="n2") + bytes(3 * SLOT)
    )

    assert (found.overlaps, found.holes, found.unreadable, found.records) == (0, 0, 0, 3)
    assert [(span.writer.task, span.first, span.last) for span in found.spans] == [("a", 1.0, 1.2), ("b", 9.0, 9.0)]


def test_the_ring_is_read_in_the_order_of_its_sequence() -> None:
    found = read(slot("b", 9, 9200) + slot("a", 7, 7000) + slot("b", 8, 9000))

    assert (found.overlaps, found.holes) == (0, 0)
    assert [span.writer.task for span in found.spans] == ["a", "b"]


def test_a_record_of_the_old_writer_after_the_new_one_began_is_an_overlap() -> None:
    assert read(slot("a", 1, 1000) + slot("b", 2, 1500) + slot("a", 3, 1400)).overlaps == 1


def test_an_earlier_record_of_a_time_not_before_the_new_writers_first_is_an_overlap() -> None:
    assert read(slot("a", 1, 1000) + slot("a", 2, 1500) + slot("b", 3, 1500)).overlaps == 1


def test_a_writer_under_an_older_epoch_than_the_one_before_it_is_an_overlap() -> None:
    assert read(slot("a", 1, 1000, epoch=5) + slot("b", 2, 2000, epoch=4) + slot("b", 3, 2200, epoch=4)).overlaps == 2


def test_a_newer_epoch_is_no_overlap() -> None:
    assert read(slot("a", 1, 1000, epoch=4) + slot("b", 2, 2000, epoch=5)).overlaps == 0


def test_a_missing_number_is_a_hole() -> None:
    assert read(slot("a", 1, 1000) + slot("b", 2, 2000) + slot("b", 4, 2600)).holes == 1


def test_something_else_in_a_slot_is_unreadable_and_never_a_record() -> None:
    torn = slot("a", 2, 1200)[:40].ljust(SLOT, b"x")

    records, unreadable = parse(slot("a", 1, 1000) + torn + b"reberth-probe 1 one a n 1 1".ljust(SLOT))

    assert [record.writer for record in records] == [Writer(1, "a", "swarm01")]
    assert unreadable == 2


def test_an_empty_file_has_no_records() -> None:
    assert read(b"").records == 0
    assert read(bytes(SLOT)).records == 0
