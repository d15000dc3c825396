"""Labels of a volume are kept as they were said, and stop nothing later."""

from __future__ import annotations

import pytest

from controller.model import Spec
from controller.volumes import driver_options
from controller.volumes.catalogue import OPTIONS
from controller.volumes.options import BadOptions, difference, parse_options

SIZE = {"size": "1GiB"}


def test_labels_are_kept_in_order() -> None:
    found = parse_options({**SIZE, "label.team": "Käse & Co", "label.app/tier": "1"})
    assert isinstance(found, Spec)
    assert found.labels == (("app/tier", "1"), ("team", "Käse & Co"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"label.": "x"}, "is no label: write label.NAME"),
        ({"label.a b": "x"}, "is no label: write label.NAME"),
        ({"label.a": "x" * 201}, "at most 200 characters"),
        ({"label.a": "two\nlines"}, "control characters"),
        ({f"label.{n}": "x" for n in range(17)}, "there are 17 labels: at most 16"),
    ],
)
def test_labels_that_cannot_be_kept_are_refused(options: dict[str, str], words: str) -> None:
    found = parse_options({**SIZE, **options})
    assert isinstance(found, BadOptions)
    assert words in found.why


def test_another_label_in_the_stack_file_does_not_stop_the_service() -> None:
    made = parse_options({**SIZE, "label.team": "one"})
    assert isinstance(made, Spec)
    assert difference({**SIZE, "label.team": "two"}, made) is None


@pytest.mark.parametrize(
    ("key", "words"), [("readonly", "`:ro`"), ("Attach-as", "leave it out"), ("attach-as", "leave it out")]
)
def test_options_of_other_drivers_are_refused_with_what_to_do(key: str, words: str) -> None:
    found = parse_options({**SIZE, key: "x"})
    assert isinstance(found, BadOptions)
    assert words in found.why


def test_each_option_is_listed_for_people_and_can_be_said() -> None:
    examples = {"size": "2GiB", "fstype": "xfs", "policy": "hold", "clone-from": "other", "uid": "1", "gid": "1"}
    examples |= {"access": "read-only", "clone-snapshot": "nightly", "snapshots": "daily keep 7"}
    examples |= {"mode": "0700", "mount-options": "noatime", "label.NAME": "x", "mkfs-options": "maxpct=5"}
    assert {each.key for each in OPTIONS} | set(driver_options.OPTIONS) == set(examples) | {
        "diskformat",
        "datastore",
        "pool",
        "storage-policy",
    }
    assert isinstance(
        parse_options({key: text for key, text in examples.items() if not key.startswith("clone-")}), Spec
    )
    assert isinstance(parse_options({key: text for key, text in examples.items() if key != "mkfs-options"}), Spec)
