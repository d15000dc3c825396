"""What LUNs do not answer is told as it is; what is done on them is tested on real ones (tests/storage)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import pytest

from controller.model import Epoch
from controller.reservations import codec, scsi
from controller.reservations.lun import Lun
from controller.reservations.plate import BYTES
from controller.reservations.state import Seen, State
from drivers.lun.holding import Conflict, Luns, Refusal
from drivers.shared.faults import CallError, Doubt, NotSent

T = TypeVar("T")
WELL = Seen(64 << 20, State((), None), bytes(BYTES))


class Answers:
    """A way to LUNs on which each answers one thing, whatever it is asked."""

    def __init__(self, **each: Seen | Exception) -> None:
        self._each = each

    async def ask(self, lun: str, act: Callable[[Lun], T], seconds: float | None = None) -> T:
        answer = self._each[lun]
        if isinstance(answer, Exception):
            raise answer
        return cast("T", answer)


async def test_some_luns_may_be_lost_but_not_all() -> None:
    luns = Luns(Answers(well=WELL, lost=scsi.NotSent("it is away")), "swarm-1", 1)
    found = await luns.look(["well", "lost"], {}, 1)
    assert (list(found.seats), found.lost) == (["well"], {"lost": "it is away"})
    with pytest.raises(NotSent, match="it is away"):
        await luns.look(["lost"], {}, 1)


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (scsi.NotSent("x"), NotSent),
        (scsi.NoAnswer("x"), Doubt),
        (codec.Malformed("x"), Doubt),
        (scsi.Conflict(), Conflict),
        (scsi.Failed("x"), Refusal),
    ],
)
async def test_what_was_not_answered_is_in_doubt_and_what_was_refused_is_not(
    raised: Exception, told: type[CallError]
) -> None:
    with pytest.raises(told) as found:
        await Luns(Answers(one=raised), "swarm-1", 1).ask("one", Lun.state)
    assert type(found.value) is told


async def test_an_epoch_that_fits_no_key_takes_nothing() -> None:
    with pytest.raises(Refusal, match="does not fit"):
        await Luns(Answers(one=WELL), "swarm-1", 1).take("one", Epoch(1 << 24))
