"""All options of a volume with their forms and defaults, for people: `reberth driver options`. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from controller.volumes.handout_options import SAFE_MOUNT_OPTIONS
from controller.volumes.schedules import FORM


@dataclass(frozen=True, slots=True)
class Option:
    """``needs``: what the storage driver must be able to; empty for an option of every driver."""

    key: str
    form: str
    default: str
    about: str
    needs: str = ""


OPTIONS = (
    Option("size", "a number with a unit: 10GiB, 500MB, 1.5TiB", "required; of a copy its source's", "of the disk"),
    Option("fstype", "ext4 or xfs", "ext4; of a copy its source's", "the file system on it"),
    Option("policy", "detach, power-off or hold", "the cluster's", "what may be done to a VM that does not answer"),
    Option("clone-from", "name of another volume", "none: it begins empty", "begin as a copy of it", "clones"),
    Option("clone-snapshot", "of its `reberth snapshot list`", "none: as it is now", "copy that one", "clones"),
    Option("access", "read-write or read-only", "read-write", "of a copy: mounted read-only", "clones"),
    Option("snapshots", FORM, "none", "of it, by schedule", "snapshots"),
    Option("uid", "a number", "0", "owner of the volume's directory, when it is made"),
    Option("gid", "a number", "0", "its group"),
    Option("mode", 'octal, in quotes: "0750"', '"0755"', "its mode"),
    Option(
        "mount-options",
        f"with commas: {', '.join(SAFE_MOUNT_OPTIONS)}, context=...",
        "none",
        "how it is mounted",
    ),
    Option(
        "mkfs-options",
        "ext4: inode-ratio=BYTES, reserved=PERCENT; xfs: maxpct=PERCENT",
        "mkfs's own",
        "how its file system is made; not of a copy",
    ),
    Option("label.NAME", "any text", "none", "for people: shown by `docker volume inspect` and `reberth explain`"),
)
