import docker
import pytest

from deploy.drill.errors import DrillError
from deploy.drill.swarm.cluster import through_election, wait_for


@pytest.mark.parametrize(
    "trouble", [DrillError("no manager answers"), docker.errors.APIError("busy")], ids=["no leader", "no answer"]
)
def test_a_moment_without_an_answer_is_waited_out(trouble: Exception) -> None:
    answers = [trouble, None]

    def ask() -> str:
        found = answers.pop(0)
        if found is not None:
            raise found
        return ""

    wait_for(ask, 5.0, step=0.0)

    assert answers == []


def test_what_does_not_come_is_an_error_with_the_last_complaint() -> None:
    with pytest.raises(DrillError, match="the gate is missing"):
        wait_for(lambda: "the gate is missing", 0.0, step=0.0)


def test_what_met_an_election_is_done_again() -> None:
    tries = ["rpc error: raft: failed to process the request: node lost leader status", ""]

    def deploy() -> None:
        if said := tries.pop(0):
            raise DrillError(said)

    through_election(deploy)

    assert tries == []


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("no such image", 30.0), ("The swarm does not have a leader.", 0.0)],
    ids=["other", "too long"],
)
def test_what_no_election_explains_or_takes_too_long_is_an_error(said: str, seconds: float) -> None:
    def deploy() -> None:
        raise DrillError(said)

    with pytest.raises(DrillError, match=said):
        through_election(deploy, seconds)
