"""What of a report a controller takes: cut to its bounds, so that one word too long does not silence a node. Pure."""

from __future__ import annotations

import msgspec

from controller.names import MAX_NAME
from controller.protocol import messages
from controller.protocol.bounds import LONGEST_SENTENCE, LONGEST_WORD, MOST_OPTIONS, MOST_VOLUMES, shortened

UNFIT = "what this gate knows of it cannot be ({}): drain this node, and restart it"


def fitting(sync: messages.Sync) -> messages.Sync:
    """
    What of a report a controller takes: one sentence too long, or one impossible name, must not silence the node.

    Where there are too many volumes, those go that are not in use: of them the controller then knows nothing, which is
    never evidence.
    """
    named = [each for each in sync.volumes if 0 < len(each.name) <= MAX_NAME]
    kept = sorted(named, key=lambda each: (each.state == "unmounted", -each.serial))[:MOST_VOLUMES]
    return msgspec.structs.replace(
        sync, volumes=tuple(_believable(each) for each in sorted(kept, key=lambda each: each.name))
    )


def fitting_hello(hello: messages.Hello) -> messages.Hello:
    """The same for a node's word about itself; what does not fit is only lost to advice."""
    engine = hello.engine
    if engine is not None:
        engine = msgspec.structs.replace(
            engine,
            server_version=engine.server_version[:LONGEST_WORD],
            kernel=engine.kernel[:LONGEST_WORD],
            docker_root=engine.docker_root[:LONGEST_WORD],
            security=tuple(each[:LONGEST_WORD] for each in engine.security[:MOST_OPTIONS]),
            local_volumes=tuple(each for each in engine.local_volumes if len(each) <= MAX_NAME)[:MOST_VOLUMES],
        )
    return msgspec.structs.replace(hello, hostname=hello.hostname[:253], gate=shortened(hello.gate), engine=engine)


def _believable(report: messages.VolumeReport) -> messages.VolumeReport:
    """Whatever else a controller would refuse in it: then it counts as in use by somebody, which harms no other."""
    short = _short(report)
    try:
        msgspec.json.decode(msgspec.json.encode(short), type=messages.VolumeReport)
    except (msgspec.MsgspecError, UnicodeError, OverflowError) as error:
        return messages.VolumeReport(report.name, "mounted", 0, 1, problem=UNFIT.format(error), users=(0,))
    return short


def _short(report: messages.VolumeReport) -> messages.VolumeReport:
    if report.problem is None or len(report.problem) <= LONGEST_SENTENCE:
        return report
    return msgspec.structs.replace(report, problem=shortened(report.problem))
