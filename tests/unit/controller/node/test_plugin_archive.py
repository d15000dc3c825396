"""The tar that a plugin is made of, from a folder that stands for the image."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from controller.node.plugin_archive import archive, closed, content_of, content_of_image, selected

NOTHING: frozenset[str] = frozenset()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    for folder in ("proc/1", "opt/reberth/bin", "etc", "run/secrets", "usr/share/doc/x", "docker/swarm"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "opt/reberth/bin/reberth").write_text("#!/bin/sh\n")
    (tmp_path / "opt/reberth/bin/reberth").chmod(0o755)
    (tmp_path / "run/secrets/token").write_text("secret")
    (tmp_path / "docker/swarm/key").write_text("secret")
    (tmp_path / "etc/hosts").write_text("the container's own")
    (tmp_path / "etc/link").symlink_to("../opt")
    os.mkfifo(tmp_path / "etc/fifo")
    return tmp_path


async def read(image: Path, config: object, mounted: frozenset[str] = NOTHING) -> tarfile.TarFile:
    data = b"".join([chunk async for chunk in archive(image, config, mounted)])
    return tarfile.open(fileobj=io.BytesIO(data))


async def test_the_tar_is_what_docker_wants(image: Path) -> None:
    """The tar holds config.json and rootfs/, with programs, links and the plugin's own mount points."""
    tar = await read(image, {"a": 1}, frozenset({"etc/hosts"}))

    config = tar.extractfile("config.json")
    assert config is not None
    assert json.load(config) == {"a": 1}
    assert tar.getmember("rootfs/opt/reberth/bin/reberth").mode & 0o777 == 0o755
    assert tar.getmember("rootfs/etc/link").linkname == "../opt"
    assert {"rootfs/mnt/volumes", "rootfs/docker", "rootfs/proc"} <= set(tar.getnames())


async def test_no_secret_and_nothing_mounted_gets_into_the_plugin(image: Path) -> None:
    """Secrets, Docker's folder, files that Docker mounts into the container and pipes stay out."""
    names = (await read(image, {}, frozenset({"etc/hosts"}))).getnames()

    assert not {"rootfs/run/secrets/token", "rootfs/docker/swarm/key", "rootfs/etc/hosts", "rootfs/etc/fifo"} & set(
        names
    )
    assert len(names) == len(set(names))


async def test_what_only_another_user_may_read_stays_out(image: Path) -> None:
    """A package's own folder, as /var/lib/ceph: the node service has no capabilities, and could not make the gate."""
    (image / "var/lib/ceph").mkdir(parents=True)
    (image / "var/lib/ceph/key").touch()
    (image / "var/lib/secret").touch(0o600)
    (image / "var/lib/ceph").chmod(0o750)
    for name in ("var/lib/ceph", "var/lib/secret"):
        os.chown(image / name, os.geteuid() or 64045, os.getegid() or 64045)
    names = (await read(image, {})).getnames()

    assert "rootfs/var/lib/ceph" in names
    assert not {"rootfs/var/lib/ceph/key", "rootfs/var/lib/secret"} & set(names)


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "is_closed"),
    [
        (0o750, 64045, 64045, True),
        (0o755, 64045, 64045, False),
        (0o640, 64045, 0, False),
        (0o600, 64045, 0, True),
        (0o600, 0, 64045, False),
    ],
)
def test_closed_is_what_root_without_capabilities_may_not_read(mode: int, uid: int, gid: int, is_closed: bool) -> None:
    assert closed(mode, uid, gid) is is_closed


def test_parents_come_before_what_is_in_them(image: Path) -> None:
    """A folder's entry is before its content, so the tar can be unpacked as it comes."""
    paths = [path for path, _ in selected(image, NOTHING)]

    assert paths.index("opt") < paths.index("opt/reberth") < paths.index("opt/reberth/bin/reberth")


def test_the_content_label_changes_with_content_mode_and_config_and_with_nothing_else(image: Path) -> None:
    """The label decides about an exchange of the gate on every node: same image, same label."""
    (image / "tmp").mkdir()
    program = image / "opt/reberth/bin/reberth"
    first = content_of(image, {}, NOTHING)
    os.utime(program, (1, 1))
    (image / "tmp/alive").touch()
    again = content_of(image, {}, NOTHING)
    program.chmod(0o700)
    mode = content_of(image, {}, NOTHING)
    program.write_text("#!/bin/bash")
    text = content_of(image, {}, NOTHING)

    assert again == first
    assert len({first, mode, text, content_of(image, {"a": 1}, NOTHING)}) == 4


async def test_a_reader_that_stops_ends_the_writer(image: Path) -> None:
    """When Docker breaks the connection in the middle, no thread stays behind with an open pipe."""
    (image / "opt/large").write_bytes(b"x" * (8 << 20))
    reading = archive(image, {}, NOTHING)
    await anext(reading)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    await reading.aclose()  # type: ignore[attr-defined]

    assert len(os.listdir("/proc/self/fd")) == before - 2 - 1  # noqa: PTH208 -- the pipe's ends and the file


def test_another_image_or_other_settings_are_another_gate() -> None:
    """The image's ID stands for its files; the same on each node that has it."""
    first = content_of_image("sha256:1", {"a": 1})

    assert first == content_of_image("sha256:1", {"a": 1})
    assert len({first, content_of_image("sha256:2", {"a": 1}), content_of_image("sha256:1", {"a": 2})}) == 3
