#!/bin/sh
# The way in and out for a volume's files, as a tar stream. On a manager, as whoever may use Docker there:
#
#   deploy/data.sh export VOLUME > files.tar
#   deploy/data.sh import VOLUME [-o size=10GiB ...] < files.tar      # makes the volume if it is not there
#
# From one of Docker's own volumes, and back:
#
#   docker run --rm -v OLD:/from:ro debian tar -C /from --numeric-owner --xattrs -cf - . | deploy/data.sh import NEW -o size=10GiB
#   deploy/data.sh export NEW | docker run --rm -i -v OLD:/to debian tar -C /to --numeric-owner --xattrs -xpf -
#
# It works through a service of its own that mounts the volume on this node, so the volume comes here as it comes to any
# task. Services that use it are scaled to 0 before, by you: files of a database that runs are worth nothing. An import
# is only into an empty volume. REBERTH_STACK is the name of Reberth's stack, if it is not `reberth`.
set -eu

say() { echo "data.sh: $*" >&2; }
die() { say "$*"; exit 1; }
usage() { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }

[ $# -ge 2 ] || usage
action=$1 volume=$2
shift 2
options=
case $action in
export) [ $# -eq 0 ] || usage; [ ! -t 1 ] || die "the stream is not for a terminal: send it to a file" ;;
import) [ ! -t 0 ] || die "give the tar stream as standard input" ;;
*) usage ;;
esac
while [ $# -gt 0 ]; do
    [ "$1" = -o ] && [ $# -ge 2 ] || usage
    options="$options,volume-opt=$2"
    shift 2
done
case $volume$options in *[!A-Za-z0-9_.,=/:@-]*) die "a name or an option with other characters: rename the volume" ;; esac

node=$(docker info -f '{{.Swarm.NodeID}}')
image=$(docker service inspect "${REBERTH_STACK:-reberth}_controller" -f '{{.Spec.TaskTemplate.ContainerSpec.Image}}') ||
    die "run it on a manager of a swarm with Reberth, and set REBERTH_STACK if its stack has another name"

# Who uses it? Scaled to 0 is fine.
for service in $(docker service ls -q); do
    docker service inspect "$service" -f '{{range .Spec.TaskTemplate.ContainerSpec.Mounts}}{{.Source}}
{{end}}' | grep -Fxq "$volume" || continue
    replicas=$(docker service inspect "$service" -f '{{if .Spec.Mode.Replicated}}{{.Spec.Mode.Replicated.Replicas}}{{else}}1{{end}}')
    name=$(docker service inspect "$service" -f '{{.Spec.Name}}')
    [ "$replicas" = 0 ] || die "service $name uses volume $volume: \`docker service scale $name=0\` first, and back after"
done

helper=reberth-data-$(hostname)-$$
container() { docker ps -q --no-trunc -f "label=com.docker.swarm.service.name=$helper"; }
finish() {
    docker service rm "$helper" >/dev/null 2>&1 || true
    for _ in $(seq 60); do [ -n "$(container)" ] || return 0; sleep 0.5; done
    say "the container of $helper does not end: see \`docker ps\`"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

mount="type=volume,source=$volume,target=/volume,volume-driver=reberth,volume-nocopy=true$options"
docker service create --quiet --detach --name "$helper" --constraint "node.id==$node" --restart-condition none --init \
    --stop-grace-period 2s --mount "$mount" --entrypoint sleep "$image" infinity >/dev/null

state=
for _ in $(seq 600); do
    [ -z "$(container)" ] || break
    state=$(docker service ps --no-trunc --format '{{.CurrentState}} {{.Error}}' "$helper" | head -1)
    case $state in Failed* | Rejected* | Complete* | Shutdown*) die "volume $volume cannot be had: $state" ;; esac
    sleep 0.5
done
found=$(container)
[ -n "$found" ] || die "volume $volume did not come within 5 minutes: ${state:-no task}; \`reberth explain $volume\`"

if [ "$action" = export ]; then
    docker exec "$found" tar -C /volume --numeric-owner --xattrs --acls --sparse -cf - .
    say "volume $volume: its files are in the stream"
    exit 0
fi
[ -z "$(docker exec "$found" ls -A /volume)" ] ||
    die "volume $volume is not empty: import into a new one, or remove this one first (\`reberth remove $volume --now\`)"
docker exec -i "$found" tar -C /volume --numeric-owner --xattrs --acls -xpf - ||
    die "the stream ended badly: what came is in volume $volume; remove it (\`reberth remove $volume --now\`) and begin anew"
docker exec "$found" sync -f /volume
say "volume $volume has the files"
