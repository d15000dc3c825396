"""
The lab's images, and the gate made from ours, put into the guests' file system by the guests' own engine, before there
is a guest.

An emulated guest takes minutes for what takes seconds here.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from deploy.lab.images.builder import BuildFailed
from deploy.lab.kernel import cgroups
from deploy.lab.kernel.idle_bridge import idle_bridge

_SECONDS = 300
# Mounts are this namespace's own, and end with it. The engine wants its root to be one.
_OUTSIDE = """
mount --bind {root} {root}
mount -t proc proc {root}/proc
mount --rbind /sys {root}/sys
mount --rbind /dev {root}/dev
mount -t tmpfs run {root}/run
exec chroot {root} /bin/sh -euc {inside}
"""
_INSIDE = """
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset DOCKER_HOST DOCKER_CONTEXT DOCKER_CONFIG
dockerd --bridge={bridge} --iptables=false --ip6tables=false --storage-driver=overlay2 --insecure-registry={registry} \
    >/var/log/bake.log 2>&1 &
engine=$!
n=0
until docker version >/dev/null 2>&1; do
    n=$((n + 1))
    if [ $n -gt 300 ] || ! kill -0 $engine; then tail -n 3 /var/log/bake.log >&2; exit 1; fi
    sleep 0.1
done
for image in {images}; do docker image inspect "$image" >/dev/null 2>&1 || docker pull -q "$image"; done
for there in $(docker image ls --format '{{{{.Repository}}}}:{{{{.Tag}}}}'); do
    case " {images} " in *" $there "*) ;; *) docker image rm "$there" ;; esac
done
docker image prune --force
docker plugin ls --format '{{{{.Name}}}}' | while read -r old; do docker plugin rm --force "$old"; done
# With the mounts that the node service has, so that the gate's content is the same.
docker run --rm --network=none --read-only --cap-drop=ALL --cgroup-parent=/{cgroup} --tmpfs /tmp \
    --volume /var/run/docker.sock:/var/run/docker.sock --volume /var/lib/docker/swarm:/docker/swarm:ro \
    --env REBERTH_PORT=7490 --env REBERTH_LUNS={luns} --entrypoint /opt/reberth/bin/python {first} -c {gate}
kill $engine
wait $engine || true
rm -f /var/lib/docker/engine-id /var/log/bake.log
"""

# What the node service does on a node without a gate, up to enabling it. If it were another gate, it would exchange it.
_GATE = """
import asyncio, os
from controller.node.docker_engine import Engine
from controller.node.installer import own_gate
from controller.node.service import plugin_settings

async def make():
    async with Engine("/var/run/docker.sock") as docker:
        gate = await own_gate(docker, plugin_settings(await docker.info(), os.environ))
        await docker.create(gate.archive())
        print(gate.content)

asyncio.run(make())
"""
_CGROUP = "reberth-bake"


def bake(tree: Path, registry: str, images: Sequence[str], *, luns: bool) -> None:
    """
    The engine in ``tree`` then has these images and no others, and the gate of the first one; ``luns``: as that is with
    REBERTH_LUNS=1. Raises BuildFailed.
    """
    try:
        with idle_bridge(tree) as bridge:
            done = _run(tree, bridge, registry, images, luns=luns)
    except subprocess.TimeoutExpired as error:
        raise BuildFailed(f"the guests' engine took longer than {_SECONDS} s to pull {', '.join(images)}") from error
    finally:
        cgroups.remove(_CGROUP)
    if done.returncode != 0:
        raise BuildFailed(f"the guests' engine could not take {', '.join(images)}: {done.stderr.strip()[-1500:]}")


def _run(
    tree: Path, bridge: str, registry: str, images: Sequence[str], *, luns: bool
) -> subprocess.CompletedProcess[str]:
    inside = _INSIDE.format(
        bridge=bridge,
        registry=registry,
        images=shlex.join(images),
        first=images[0],
        gate=shlex.quote(_GATE),
        cgroup=_CGROUP,
        luns=int(luns),
    )
    script = _OUTSIDE.format(root=shlex.quote(str(tree)), inside=shlex.quote(inside))
    # The images' engine ends with us, however we end.
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "-m", "-p", "-f", "--kill-child", "sh", "-euc", script]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_SECONDS
    )
