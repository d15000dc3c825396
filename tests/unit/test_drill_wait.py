import docker
import pytest

from deploy.drill.cluster import wait_for
from deploy.drill.ground import DrillError


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
