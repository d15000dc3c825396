"""
Names of volumes, and the short keys made from them. Pure.

Docker hands a volume plugin whatever the user wrote in the stack file: 1 to 255 characters of any kind. Swarm
Configs, files and disks have narrower alphabets, so what Reberth stores is named by the key; the name travels inside.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass

from controller.model import VolumeKey, VolumeName
from controller.names import MAX_NAME

_READABLE = 24  # a Swarm Config name has at most 64 characters: "reberth.volume." + 24 + "-" + 12 fits well
_HASH = 12
_LIFE = 8
DIGEST = "sha256:"


@dataclass(frozen=True, slots=True)
class BadName:
    """Not a volume name; ``why`` names the cure."""

    why: str


def volume_name(text: str) -> VolumeName | BadName:
    """The name as Docker sends it, or why it is none. Only what cannot be shown or stored safely is refused."""
    problem = _problem(text)
    return VolumeName(text) if problem is None else BadName(problem)


OF_ONE_TASK = (
    "each new task would begin with an empty one, and the disks of those before would stay: use a name without "
    ".Task.ID and .Task.Name, for several replicas one with {{.Task.Slot}}"
)


def unseen(name: VolumeName) -> str | None:
    """
    Why no new volume gets this name: people could not tell it from another one, and would get an empty volume for it.

    Pasted text brings such characters. Volumes that have one in their names already keep them.
    """
    for character in "" if name.isprintable() else name:
        if unicodedata.category(character) in {"Cf", "Zl", "Zp", "Zs"} and character != " ":
            what = unicodedata.name(character, f"U+{ord(character):04X}")
            return f"volume name {name!a} holds a character that nobody sees ({what}): type the name anew"
    return None


def volume_key(name: VolumeName) -> VolumeKey:
    """
    A short key for the name: lower-case ASCII letters, digits and inner hyphens, at most 37 characters.

    It depends on the name alone. The hash part is always there: some datastores ignore case, but "Data" and "data"
    are two volumes.
    """
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    readable = re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")[:_READABLE].strip("-") or "volume"
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH]
    return VolumeKey(f"{readable}-{digest}")


def key_of(text: str) -> VolumeKey | None:
    """That of a name that somebody told; None: it is none."""
    name = volume_name(text)
    return None if isinstance(name, BadName) else volume_key(name)


def disk_key(key: VolumeKey, fs_uuid: str) -> VolumeKey:
    """
    The key of one record's disk: of a volume made anew under an old name, another one than of the old.

    No storage can refuse a delete by its epoch: a stamp is on a VM, and such a disk is on none. So that a late delete,
    or create, of the old disk never meets the new one, they have different names.
    """
    return VolumeKey(f"{life_prefix(key)}{hashlib.sha256(fs_uuid.encode()).hexdigest()[:_LIFE]}")


def snapshot_key(key: VolumeKey, fs_uuid: str, token: str) -> VolumeKey:
    """
    The key of a snapshot's disk. It begins otherwise than those of volumes: a name that is made anew is not held up by
    one that was left behind. It ends as its volume's: what is on it bears the same label.
    """
    return VolumeKey(f"snap-{restored_key(key, fs_uuid, token)}")


def restored_key(key: VolumeKey, fs_uuid: str, token: str) -> VolumeKey:
    """The key of the disk that a volume gets when it is restored."""
    return VolumeKey(f"{life_prefix(key)}{token}-{_life(fs_uuid)}")


def is_own_key(found: VolumeKey, key: VolumeKey, fs_uuid: str) -> bool:
    """Whether a disk under this key may be the volume's: as it was made, or restored."""
    return found.startswith(life_prefix(key)) and found.endswith(f"-{_life(fs_uuid)}")


def _life(fs_uuid: str) -> str:
    """Of a volume that was adopted the digest alone is known."""
    if fs_uuid.startswith(DIGEST):
        return fs_uuid.removeprefix(DIGEST)
    return hashlib.sha256(fs_uuid.encode()).hexdigest()[:_LIFE]


def label_of(disk: VolumeKey) -> str | None:
    """
    What the label on a disk must fit that was made under this key, so far as the key tells; None for one of no record.

    The key ends with a digest of the UUID in the label: see `disk_key`.
    """
    match = re.fullmatch(rf"[a-z0-9-]+-([0-9a-f]{{{_LIFE}}})", disk)
    return None if match is None else f"{DIGEST}{match[1]}"


def label_fits(wanted: str, label: str) -> bool:
    """Whether a label on a disk is the one wanted: a UUID, or the digest of one."""
    if not wanted.startswith(DIGEST):
        return label.lower() == wanted.lower()
    return f"{DIGEST}{hashlib.sha256(label.lower().encode()).hexdigest()[:_LIFE]}" == wanted


def life_prefix(key: VolumeKey) -> str:
    """How the keys of all disks begin that were made for a volume of this name."""
    return f"{key}-"


def _problem(text: str) -> str | None:
    if not text:
        return "the volume's name is empty: give the mount a source; of a template, give its label a value"
    if len(text) > MAX_NAME:
        return (
            f"a volume name has 1 to {MAX_NAME} characters, this one has {len(text)}: "
            "shorten the mount's source in the stack file"
        )
    # The first test is only there for speed: every control character is unprintable.
    if not text.isprintable() and any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        return f"volume name {text!r} holds control characters: use letters, digits, '-', '_' and '.'"
    if text != text.strip():
        return f"volume name {text!r} starts or ends with a space: remove it in the stack file"
    if "{{" in text or "<no value>" in text:
        return (
            f"volume name {text!r} is a template that was not expanded: use {{{{.Task.Slot}}}}, {{{{.Service.Name}}}} "
            "or {{.Node.Hostname}}, and only labels that the service has"
        )
    return None
