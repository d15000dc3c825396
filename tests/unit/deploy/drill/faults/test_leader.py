from dataclasses import replace

from deploy.drill.faults.leader import acting, broken_words, change, first_lead, late_calls
from deploy.drill.proxy.call_meaning import Step
from deploy.drill.proxy.values import Call, Stopped

SPRUNG = Stopped(at=10.0, node="swarm01", pid=1, epoch=3, released=30.0)


def call(at: float, node: str, step: Step, epoch: int, *, done: bool = True) -> Call:
    return Call(at, node, step, epoch, 200 if done else 500, done, "")


NEXT = call(25.0, "swarm02", Step.LEAD, 4)


def test_the_change_of_leader_lasts_from_the_stop_to_the_next_epoch_that_somebody_took() -> None:
    beat, lost = call(11.0, "swarm01", Step.LEAD, 3), call(20.0, "swarm03", Step.LEAD, 4, done=False)

    assert change((beat, lost, NEXT), SPRUNG) == 15.0
    assert change((beat, lost), SPRUNG) is None


def test_an_epoch_taken_before_the_stop_is_no_change() -> None:
    assert first_lead((call(9.0, "swarm02", Step.LEAD, 4),), 10.0, 3) is None


def test_the_one_that_acts_gave_the_last_sign_of_life_that_swarm_took() -> None:
    lost, other = call(26.0, "swarm03", Step.LEAD, 4, done=False), call(27.0, "swarm01", Step.ATTACH, 3)

    assert acting((call(11.0, "swarm01", Step.LEAD, 3), NEXT, lost, other)) == "swarm02"
    assert acting(()) == ""


def test_late_calls_are_those_of_the_one_that_was_frozen_under_its_old_epoch() -> None:
    late = call(31.0, "swarm01", Step.ATTACH, 3, done=False)
    others = (
        call(29.0, "swarm01", Step.ATTACH, 3),
        call(31.0, "swarm02", Step.ATTACH, 3),
        call(32.0, "swarm01", Step.LEAD, 5),
    )

    assert late_calls((late, *others), SPRUNG) == (late,)
    assert late_calls((late,), replace(SPRUNG, released=None)) == ()


def test_a_late_call_that_was_obeyed_is_a_reason_not_to_pass_and_a_refused_one_is_not() -> None:
    late = call(31.0, "swarm01", Step.ATTACH, 3, done=False)

    assert list(broken_words((NEXT, late), SPRUNG)) == []
    assert list(broken_words((NEXT, replace(late, done=True)), SPRUNG)) == [
        "a late attach from swarm01 was obeyed under the old epoch 3"
    ]
    assert list(broken_words((late,), SPRUNG)) == ["nobody took a new epoch while the controller on swarm01 was frozen"]
