"""
The lab's images: our own, built with the very Dockerfile that users build, and PostgreSQL. Made here from Debian's
packages, pushed to the lab's registry, kept in the cache.

An image's tag is a digest of everything it is made of, so what the registry has need not be built again. A build that
is interrupted leaves layers for the next one, and no tag.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import os
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound
from docker.utils.build import exclude_paths

from deploy.lab.images import rootfs
from deploy.lab.images.builder import BuildFailed, Progress, build, builder, push, tidy
from deploy.lab.lab import Lab

PROJECT = Path(__file__).resolve().parents[3]
DOCKERFILE = Path("deploy/Dockerfile")
POSTGRES = Path(__file__).resolve().parents[1] / "postgres"
SERVICES = Path(__file__).resolve().parents[1] / "services"
_BUILDER = "builder"
_PASSED_ON = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_FOR_PYTHON = ("PIP_INDEX_URL",)


@dataclass(frozen=True, slots=True)
class Images:
    """References that the lab's nodes pull."""

    reberth: str
    postgres: str


def ensure_images(lab: Lab, progress: Progress) -> Images:
    """
    Build what the registry lacks, push it there, and let every node that is on pull it.

    The first time takes some minutes, with nothing to do it is milliseconds. Raises BuildFailed, with the cause in the
    text.
    """
    wanted = ensure_pushed(lab.registry, Path(lab.spec.cache), progress)
    with ThreadPoolExecutor(max_workers=max(1, len(lab.nodes))) as pool:
        for text in pool.map(lambda node: _pull(lab, node.name, (wanted.reberth, wanted.postgres)), lab.nodes):
            if text:
                progress(text)
    return wanted


def ensure_pushed(registry: str, cache: Path, progress: Progress, extra_packages: str = "") -> Images:
    """
    Build what the registry lacks and push it there. ``extra_packages``: EXTRA_PACKAGES of deploy/Dockerfile.

    Raises BuildFailed.
    """
    base = f"reberth-base:{digest(_base_inputs())}"
    wanted = Images(
        reberth=f"{registry}/reberth:{digest([*_our_inputs(base), extra_packages.encode()])}",
        postgres=f"{registry}/postgres:{digest(_inputs(POSTGRES, base))}",
    )
    if _complete(registry, wanted):
        return wanted
    folder = cache / "images"
    with only_one(folder, progress):
        if not _complete(registry, wanted):
            with builder(folder / _BUILDER, registry) as client:
                _make(client, base, wanted, progress, extra_packages)
    return wanted


def ensure_services(lab: Lab, progress: Progress) -> str:
    """An image with MariaDB and Redis, for drills of services: its reference; each node has it. Raises BuildFailed."""
    registry, folder = lab.registry, Path(lab.spec.cache) / "images"
    base = f"reberth-base:{digest(_base_inputs())}"
    tag = f"{registry}/services:{digest(_inputs(SERVICES, base))}"
    with only_one(folder, progress):
        if not _in_registry(registry, tag):
            with builder(folder / _BUILDER, registry) as client:
                _ensure_base(client, base, progress)
                progress("build the image of MariaDB and Redis from Debian's packages")
                build(client, SERVICES, tag, _arguments(base))
                push(client, tag)
    for node in lab.nodes:
        _pull(lab, node.name, (tag,))
    return tag


def _pull(lab: Lab, node: str, references: Iterable[str]) -> str:
    """
    Before a task needs them: a failover shall not measure downloads.

    Answers what was done, for people.
    """
    if lab.power(node) != "on":
        return f"{node} is {lab.power(node)}: it has the images once it is on and they are asked for again"
    pulled = False
    try:
        with closing(lab.docker(node, timeout=600)) as client:
            for reference in references:
                try:
                    client.images.get(reference)
                except ImageNotFound:
                    repository, _, tag = reference.rpartition(":")
                    client.images.pull(repository, tag)
                    pulled = True
    except DockerException as error:
        raise BuildFailed(f"{node} cannot pull the images from the lab's registry: {error}") from error
    return f"{node} has pulled the images" if pulled else ""


def _make(client: docker.DockerClient, base: str, wanted: Images, progress: Progress, extra_packages: str) -> None:
    _ensure_base(client, base, progress)
    arguments = _arguments(base) | {name: os.environ[name] for name in _FOR_PYTHON if name in os.environ}
    progress("build the image of Reberth with deploy/Dockerfile")
    build(client, PROJECT, wanted.reberth, arguments | {"EXTRA_PACKAGES": extra_packages}, str(DOCKERFILE))
    progress("build the image of PostgreSQL 15 from Debian's packages")
    build(client, POSTGRES, wanted.postgres, _arguments(base))
    for tag in (wanted.reberth, wanted.postgres):
        progress(f"push {tag}")
        push(client, tag)


def _arguments(base: str) -> dict[str, str]:
    return {"BASE": base} | {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def _ensure_base(client: docker.DockerClient, base: str, progress: Progress) -> None:
    try:
        client.images.get(base)
    except ImageNotFound:
        progress(f"make the images' base from Debian's packages ({rootfs.SUITE})")
        name, _, tag = base.partition(":")
        with tempfile.TemporaryDirectory(prefix="reberth-base-") as folder:
            archive = Path(folder) / "base.tar"
            rootfs.make_base(archive)
            client.api.import_image_from_file(str(archive), repository=name, tag=tag)


def tidy_builds(cache: Path) -> None:
    """Remove what a build that was killed left outside of the cache. Waits for one that runs."""
    if (cache / "images").is_dir():
        with only_one(cache / "images", lambda _: None):
            tidy(cache / "images" / _BUILDER)


def our_files(project: Path = PROJECT) -> list[str]:
    """The files that deploy/Dockerfile gets to see, relative to the project, by .dockerignore."""
    rules = [line for line in (project / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    found = exclude_paths(str(project), rules, dockerfile=str(DOCKERFILE))
    return sorted(name for name in found if (project / name).is_file())


def _base_inputs() -> Iterator[bytes]:
    yield Path(rootfs.__file__).read_bytes()
    if rootfs.CERTIFICATES.exists():
        yield rootfs.CERTIFICATES.read_bytes()


def _our_inputs(base: str) -> Iterator[bytes]:
    yield base.encode()
    for name in our_files():
        yield name.encode()
        yield (PROJECT / name).read_bytes()


def _inputs(folder: Path, base: str) -> Iterator[bytes]:
    """Of an image that is made of one folder."""
    yield base.encode()
    for path in sorted(folder.iterdir()):
        yield path.name.encode()
        yield path.read_bytes()


def digest(parts: Iterable[bytes]) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()[:16]


def _complete(registry: str, wanted: Images) -> bool:
    return all(_in_registry(registry, tag) for tag in (wanted.reberth, wanted.postgres))


def _in_registry(registry: str, tag: str) -> bool:
    name, _, version = tag.removeprefix(f"{registry}/").rpartition(":")
    connection = http.client.HTTPConnection(registry, timeout=10)
    try:
        accept = "application/vnd.docker.distribution.manifest.v2+json"
        connection.request("HEAD", f"/v2/{name}/manifests/{version}", headers={"Accept": accept})
        return connection.getresponse().status == http.client.OK
    finally:
        connection.close()


@contextmanager
def only_one(folder: Path, progress: Progress, other: str = "another build of the images") -> Iterator[None]:
    """One build at a time for each cache. The kernel's lock: it goes with the process that has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"wait for {other}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
