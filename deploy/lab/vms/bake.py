"""
The lab's images, pulled into the guests' file system by the guests' own engine, before there is a guest.

An emulated guest takes a minute for what takes seconds here.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from deploy.lab.builder import BuildFailed

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
dockerd --bridge=none --iptables=false --ip6tables=false --storage-driver=overlay2 --insecure-registry={registry} \
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
kill $engine
wait $engine || true
rm -f /var/lib/docker/engine-id /var/log/bake.log
"""


def bake(tree: Path, registry: str, images: Sequence[str]) -> None:
    """Afterwards the engine in ``tree`` has these images and no others. Raises BuildFailed."""
    inside = _INSIDE.format(registry=registry, images=shlex.join(images))
    script = _OUTSIDE.format(root=shlex.quote(str(tree)), inside=shlex.quote(inside))
    # The images' engine ends with us, however we end.
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "-m", "-p", "-f", "--kill-child", "sh", "-euc", script]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise BuildFailed(f"the guests' engine took longer than {_SECONDS} s to pull {', '.join(images)}") from error
    if done.returncode != 0:
        raise BuildFailed(f"the guests' engine could not pull {', '.join(images)}: {done.stderr.strip()[-1500:]}")
