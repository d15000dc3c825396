"""Taking a lab down from any half state, by names and the kernel's tables alone; and the proof that nothing is left."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from deploy.lab.kernel import cgroups, loop_devices, network, processes
from deploy.lab.names import RUN_ROOT, STORE_ROOT, LabError, Layout

_DEATH_SECONDS = 60.0
_TRIES = 3


def mounts_under(*folders: Path) -> list[Path]:
    """Mount points in or below the folders, innermost first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        path = Path(line.split()[4].encode().decode("unicode_escape"))
        if any(path.is_relative_to(folder) for folder in folders):
            found.append(path)
    return found[::-1]


def leftovers(lab: str) -> tuple[str, ...]:
    """Everything of the lab that is still on the machine, one phrase each. The image cache does not count."""
    layout = Layout(lab)
    return (
        *(f"process {pid}" for pid in processes.marked(lab)),
        *(f"network interface {name}" for name in network.interfaces(layout)),
        *(f"packet filter rule {rule}" for rule in network.filter_rules(layout)),
        *(
            f"loop device /dev/loop{number} on {image}"
            for image, number in loop_devices.backed_under(layout.store).items()
        ),
        *(f"mount {path}" for path in mounts_under(layout.run, layout.store)),
        *(f"control group {path}" for path in cgroups.groups(layout.cgroup)),
        *(f"folder {path}" for path in (layout.run, layout.store) if path.exists()),
    )


def labs() -> tuple[str, ...]:
    """Names of all labs that have a process or a folder."""
    folders = {path.name for root in (RUN_ROOT, STORE_ROOT) if root.is_dir() for path in root.iterdir()}
    return tuple(sorted(folders | processes.labs()))


def remove_dead(lab: str) -> tuple[str, ...]:
    """
    Remove what a lab left that was killed, or whose machine was started anew: nothing of it lives, and nothing can.

    Answers what there was; nothing where a process of the lab lives. Raises LabError.
    """
    found = leftovers(lab)
    if not found or processes.marked(lab):
        return ()
    down(lab)
    return found


def down(lab: str) -> None:
    """Remove all of the lab but its image cache. Raises LabError that lists what could not be removed."""
    layout = Layout(lab)
    for _ in range(_TRIES):  # a start under way elsewhere may still add things while we remove
        _kill_all(lab)
        network.remove(layout)
        for image, number in loop_devices.backed_under(layout.store).items():
            loop_devices.free(number, image)
        for path in mounts_under(layout.run, layout.store):
            network.run("umount", "--lazy", str(path), check=False)
        cgroups.remove(layout.cgroup)
        _remove_folders(layout)
        if not leftovers(lab):
            return
        time.sleep(0.2)
    raise LabError(f"Of the lab {lab!r} there is still: {'; '.join(leftovers(lab))}.")


def _kill_all(lab: str) -> None:
    """The machine host first, so that it starts nothing more; then the nodes' first processes take all theirs along."""
    deadline = time.monotonic() + _DEATH_SECONDS
    for role in ("host", None):
        while living := processes.marked(lab, role):
            for pid in living:
                processes.kill(pid)
            if time.monotonic() > deadline:
                raise LabError(f"Processes {living} of the lab {lab!r} did not end within {_DEATH_SECONDS:g} s.")
            time.sleep(0.01)


def _remove_folders(layout: Layout) -> None:
    if mounts_under(layout.run, layout.store):
        return  # never delete through a mount
    for folder in (layout.run, layout.store):
        shutil.rmtree(folder, ignore_errors=True)
    for root in (RUN_ROOT, STORE_ROOT):
        remove_empty(root)


def remove_empty(root: Path) -> None:
    """A folder of all labs. In a container a volume is mounted there (.github/workflows/ci.yml): that stays."""
    if root.is_dir() and not root.is_mount() and not any(root.iterdir()):
        root.rmdir()
