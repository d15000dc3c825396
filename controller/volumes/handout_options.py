"""
Who owns a volume's directory, and how its file system is mounted, as ``driver_opts`` say it. Pure.

The owner is for images that do not run as root: with ``nocopy`` Docker does not give the directory the owner that the
image's own one has. It is set once, when the directory is made, so that what an application changes stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from controller.model import Handout
from controller.volumes import mkfs_options
from controller.volumes.mkfs_options import MKFS_OPTIONS

UID, GID, MODE, MOUNT_OPTIONS = "uid", "gid", "mode", "mount-options"
OPTIONS = (UID, GID, MODE, MOUNT_OPTIONS, MKFS_OPTIONS)
# What cannot weaken the checks of a mount: no option that names a file, a device, an owner or another file system.
SAFE_MOUNT_OPTIONS = ("noatime", "nodiratime", "relatime", "lazytime", "noexec", "sync", "dirsync", "discard")
LARGEST_ID = 2**32 - 2  # the one above stands for "do not change" in chown(2)
# For SELinux: of the whole file system, as nothing relabels a volume with `nocopy`. mount(8) splits at commas: none.
CONTEXT = re.compile(r"context=[a-z0-9_]+:[a-z0-9_]+:[a-z0-9_]+:s[0-9]{1,2}(:c[0-9]{1,4}(\.c[0-9]{1,4})?)?")
_MODE = re.compile(r"0[0-7]{3,4}")


def problem(options: Mapping[str, str]) -> str | None:
    """What cannot be meant, with the cure."""
    for key in (UID, GID):
        text = options.get(key)
        if text is not None and not (re.fullmatch(r"[0-9]{1,10}", text) and int(text) <= LARGEST_ID):
            return f"{key} {text!r} is not a number from 0 to {LARGEST_ID}: names differ from image to image"
    mode = options.get(MODE)
    if mode is not None and not _MODE.fullmatch(mode):
        return f'mode {mode!r} is not octal: write four digits in quotes, for example mode: "0750"'
    for each in _mount_options(options):
        if not _is_safe(each):
            allowed = ", ".join(SAFE_MOUNT_OPTIONS)
            return f"mount option {each!r} is not among those allowed: {allowed}, context=USER:ROLE:TYPE:LEVEL"
    return mkfs_options.problem(options)


def handout(options: Mapping[str, str]) -> Handout:
    """Of options without a `problem`."""
    uid, gid, mode = options.get(UID), options.get(GID), options.get(MODE)
    return Handout(
        None if uid is None else int(uid),
        None if gid is None else int(gid),
        None if mode is None else int(mode, 8),
        _mount_options(options),
        mkfs_options.split(options),
    )


def safe(mount_options: Iterable[str]) -> tuple[str, ...]:
    """Those that a gate uses, whoever asks for others."""
    return tuple(each for each in mount_options if _is_safe(each))


def _is_safe(mount_option: str) -> bool:
    return mount_option in SAFE_MOUNT_OPTIONS or CONTEXT.fullmatch(mount_option) is not None


def texts(handout: Handout) -> Mapping[str, str]:
    """Each as it would be said; empty where nothing was."""
    return {
        UID: "" if handout.uid is None else str(handout.uid),
        GID: "" if handout.gid is None else str(handout.gid),
        MODE: "" if handout.mode is None else f"{handout.mode:04o}",
        MOUNT_OPTIONS: ",".join(handout.mount_options),
        MKFS_OPTIONS: ",".join(handout.mkfs_options),
    }


def _mount_options(options: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted({each.strip() for each in options.get(MOUNT_OPTIONS, "").split(",") if each.strip()}))
