from pathlib import Path

from deploy.drill.workload.fsck_log import complaint, judge, marks

CLEAN = 'level=info msg="gate: e2fsck: /dev/loop3: clean, 1200/65536 files, 20000/262144 blocks"'
DIRTY = 'level=info msg="gate: e2fsck: /dev/loop3: recovering journal; /dev/loop3: clean, 1200/65536 files"'


def test_a_clean_file_system_gives_no_complaint() -> None:
    assert judge(CLEAN, "swarm02") == ""


def test_a_replayed_journal_is_said_with_the_words_of_e2fsck() -> None:
    found = judge(f"{CLEAN}\n{DIRTY}", "swarm02")

    assert found.startswith("the journal was replayed on swarm02: /dev/loop3: recovering journal")


def test_silence_is_not_taken_for_clean() -> None:
    assert "does not say" in judge("level=info", "swarm02")
    assert "no log" in complaint({}, {}, "swarm02")


def test_only_what_was_written_after_the_mark_counts(tmp_path: Path) -> None:
    log = tmp_path / "dockerd.log"
    log.write_text(f"{DIRTY}\n")
    logs = {"swarm02": log, "swarm03": tmp_path / "none"}
    before = marks(logs)
    with log.open("a") as more:
        more.write(f"{CLEAN}\n")

    assert complaint(logs, before, "swarm02") == ""
    assert complaint(logs, {}, "swarm02") != ""
