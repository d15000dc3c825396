"""Forbidding services while packages are installed, and giving the machine its own policy back."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.lab.debian.policy_rc import ServicePolicy


@pytest.fixture
def policy(tmp_path: Path) -> ServicePolicy:
    return ServicePolicy(tmp_path / "policy-rc.d")


def test_services_are_forbidden_inside_and_nothing_is_left_after(policy: ServicePolicy) -> None:
    with policy:
        assert policy.path.read_text().endswith("exit 101\n")
        assert policy.path.stat().st_mode & 0o777 == 0o755
    assert list(policy.path.parent.iterdir()) == []


def test_a_policy_of_the_machine_is_back_as_it_was(policy: ServicePolicy) -> None:
    policy.path.write_text("its own")
    policy.path.chmod(0o700)
    with policy:
        assert policy.path.read_text() != "its own"
    assert policy.path.read_text() == "its own"
    assert policy.path.stat().st_mode & 0o777 == 0o700
    assert list(policy.path.parent.iterdir()) == [policy.path]


def test_a_policy_of_the_machine_is_back_after_an_error(policy: ServicePolicy) -> None:
    policy.path.write_text("its own")
    with pytest.raises(KeyError), policy:
        raise KeyError
    assert policy.path.read_text() == "its own"


@pytest.mark.parametrize("had_own", [True, False])
def test_what_a_killed_run_left_is_put_right_by_the_next(policy: ServicePolicy, had_own: bool) -> None:
    if had_own:
        policy.path.write_text("its own")
    policy.__enter__()
    with policy:
        pass
    assert [path.read_text() for path in policy.path.parent.iterdir()] == (["its own"] if had_own else [])


def test_restoring_leaves_a_policy_alone_that_is_not_ours(policy: ServicePolicy) -> None:
    policy.path.write_text("its own")
    policy.restore()
    assert policy.path.read_text() == "its own"
