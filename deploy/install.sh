#!/bin/sh
# Installs Reberth on a swarm, changes its settings, upgrades it, or removes it. Safe to repeat; says each thing it does.
#
#   deploy/install.sh --image IMAGE --config reberth.toml --secret reberth-storage=password.txt [--with vsphere]
#   deploy/install.sh node                  on each node, as root: what Reberth expects of the node itself
#   deploy/install.sh cli                   `docker reberth status` and the like: for root all users, else you
#   deploy/install.sh uninstall             on a manager: the stack, its settings, and on request the records
#
# Options:
#   --image IMAGE         where every node can pull it; asked for once, then kept from the running service
#   --config FILE         the settings (deploy/examples/*.toml); a changed file becomes a new Docker config
#   --secret NAME=FILE    a Docker secret that the stack names; one that is there is kept (--rotate: made anew)
#   --with NAME           also deploy/NAME.yml, which a driver needs: vsphere, libvirt, ceph, lun, power, operators
#   --rotate              make secrets that are there already anew, under a new name
#   --stack NAME          the stack's name; reberth
#   --records             uninstall: remove the volumes' records too. Disks are never removed
#   --no-wait             do not wait until every service runs
#   --dry-run             say what would be done, and change nothing
#   --yes                 do not ask
#
# Nothing is read from a terminal but a yes. Exit: 0 done, 1 it could not be done (the last line says why), 2 wrong words.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
stack=reberth image='' config='' with='' secrets='' rotate=0 records=0 wait=1 dry=0 yes=0 verb=install

say() { printf 'reberth: %s\n' "$*"; }
fail() { printf 'reberth: %s\n' "$*" >&2; exit 1; }
wrong() { printf 'reberth: %s\nsee: %s --help\n' "$*" "$0" >&2; exit 2; }
run() { # WHAT COMMAND...: says it, then does it
    say "$1"
    shift
    [ "$dry" = 1 ] || "$@" >/dev/null
}

while [ $# -gt 0 ]; do
    case $1 in
        install | node | cli | uninstall) verb=$1 ;;
        --image | --config | --secret | --with | --stack)
            [ $# -ge 2 ] || wrong "$1 needs a value"
            case $1 in
                --image) image=$2 ;;
                --config) config=$2 ;;
                --stack) stack=$2 ;;
                --with) with="$with $2" ;;
                --secret)
                    case $2 in *?=?*) ;; *) wrong "--secret wants NAME=FILE, not '$2'" ;; esac
                    [ -r "${2#*=}" ] || fail "the secret's file ${2#*=} cannot be read"
                    secrets="$secrets $2"
                    ;;
            esac
            shift
            ;;
        --rotate) rotate=1 ;;
        --records) records=1 ;;
        --no-wait) wait=0 ;;
        --dry-run) dry=1 ;;
        --yes) yes=1 ;;
        -h | --help)
            sed -n '2,/^set -eu/{s/^# \{0,1\}//;/^set -eu/d;p;}' "$0"
            exit 0
            ;;
        *) wrong "unknown word '$1'" ;;
    esac
    shift
done

sure() {
    [ "$yes" = 1 ] || [ "$dry" = 1 ] && return 0
    [ -t 0 ] || fail "$1: say --yes to do it without a terminal"
    printf 'reberth: %s Type yes: ' "$1"
    read -r answer
    [ "$answer" = yes ] || fail "nothing was done"
}

# --- node: the node's own settings

node_settings() {
    [ "$(id -u)" = 0 ] || fail "run this as root: it writes /etc/sysctl.d and /etc/docker/daemon.json"
    fits
    # shellcheck disable=SC2016
    sysctl=${REBERTH_SYSCTL_FILE:-/etc/sysctl.d/60-swarm.conf}
    if grep -qs '^net.ipv4.tcp_retries2' "$sysctl"; then
        say "$sysctl sets tcp_retries2 already"
    else
        run "write $sysctl: connections to a machine without power end in 13 s" sh -c 'echo "net.ipv4.tcp_retries2 = 5" >>"$1"' - "$sysctl"
        [ "$dry" = 1 ] || sysctl -q -p "$sysctl" || say "sysctl did not take it now; it will with the next boot"
    fi
    daemon=${REBERTH_DAEMON_FILE:-/etc/docker/daemon.json}
    if grep -qs '"shutdown-timeout"' "$daemon"; then
        say "$daemon sets shutdown-timeout already"
    elif [ ! -s "$daemon" ]; then
        run "write $daemon: dockerd waits 90 s for volumes to be unmounted" sh -c 'mkdir -p "$(dirname "$1")"; printf "{\"shutdown-timeout\": 90}\n" >"$1"' - "$daemon"
        say "dockerd reads it when it is started anew: systemctl restart docker, when it suits"
    else
        command -v python3 >/dev/null || fail "add \"shutdown-timeout\": 90 to $daemon by hand: no python3 to edit JSON with"
        run "add shutdown-timeout to $daemon (the old one is kept as $daemon.before-reberth)" python3 - "$daemon" <<'PY'
import json, os, shutil, sys
path = sys.argv[1]
try:
    with open(path, encoding="utf-8") as file:
        settings = json.load(file)
except ValueError as error:
    sys.exit(f"reberth: {path} is not JSON ({error}): mend it first; nothing was changed")
shutil.copy2(path, path + ".before-reberth")
settings["shutdown-timeout"] = 90
with open(path + ".new", "w", encoding="utf-8") as file:
    json.dump(settings, file, indent=2)
    file.write("\n")
shutil.copymode(path, path + ".new")
os.replace(path + ".new", path)
PY
        say "dockerd reads it when it is started anew: systemctl restart docker, when it suits"
    fi
}

# --- cli: a plugin of Docker's own command

docker_command() {
    if [ -n "${REBERTH_CLI_PLUGINS:-}" ]; then
        folder=$REBERTH_CLI_PLUGINS
    elif [ "$(id -u)" = 0 ]; then
        folder=/usr/local/lib/docker/cli-plugins
    else
        folder=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins
    fi
    if cmp -s "$here/docker-reberth" "$folder/docker-reberth" && [ -x "$folder/docker-reberth" ]; then
        say "$folder/docker-reberth is there already"
        return
    fi
    # shellcheck disable=SC2016
    run "write $folder/docker-reberth" sh -c 'mkdir -p "$2" && install -m 755 "$1" "$2/docker-reberth"' - "$here/docker-reberth" "$folder"
    say "on a manager, or with a context for one: docker reberth status"
}

# --- what install and uninstall need of Docker

manager() {
    command -v docker >/dev/null || fail "docker is not installed here"
    state=$(docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}' 2>&1) || fail "docker does not answer: $state"
    case $state in
        'active true') ;;
        active*) fail "this node is a worker: run it on a manager, or name one (docker context use, DOCKER_HOST)" ;;
        *) fail "this machine is not in a swarm: docker swarm init, or docker swarm join" ;;
    esac
    fits
}

fits() { # what this dockerd must not be: Swarm would refuse Reberth's tasks, or the gate could mount nothing
    case $(docker info --format '{{.SecurityOptions}}' 2>/dev/null) in
        *name=userns*) fail "Docker here remaps user namespaces: take userns-remap out of daemon.json, on all nodes" ;;
        *name=rootless*) fail "Docker here runs rootless: it can mount no disk; use Docker as root, on all nodes" ;;
    esac
}

newest() { # KIND NAME: the newest of NAME, NAME-2, NAME-3 ...; empty where there is none
    docker "$1" ls --format '{{.Name}}' | awk -v name="$2" '
        $0 == name && best < 1 { best = 1; found = $0 }
        index($0, name "-") == 1 { n = substr($0, length(name) + 2); if (n ~ /^[0-9]+$/ && n + 0 > best) { best = n + 0; found = $0 } }
        END { print found }'
}

following() { # KIND NAME: a name that is not taken
    last=$(newest "$1" "$2")
    case $last in
        '') echo "$2" ;;
        "$2") echo "$2-2" ;;
        *) echo "$2-$((${last##*-} + 1))" ;;
    esac
}

variable() { # NAME of a secret in the stack files -> the variable that gives it another name
    for file in stack $with; do cat "$here/$file.yml"; done | sed -n "s/.*\${\(REBERTH_[A-Z_]*\):-$1}.*/\1/p" | head -n 1
}

put_secret() { # NAME FILE
    last=$(newest secret "$1")
    name=${last:-$1}
    if [ -n "$last" ] && [ "$rotate" = 0 ]; then
        say "secret $last is there already, and is kept (--rotate makes it anew)"
    else
        name=$(following secret "$1")
        run "make secret $name" docker secret create "$name" "$2"
    fi
    key=$(variable "$1")
    [ -n "$key" ] || fail "no stack file names a secret $1: see deploy/stack.yml, and --with for what a driver needs"
    export "$key=$name"
}

put_config() {
    last=$(newest config reberth-config)
    if [ -n "$last" ] && { [ -z "$config" ] || same_config "$last"; }; then
        say "config $last is kept"
        export REBERTH_CONFIG="$last"
        return
    fi
    [ -n "$config" ] || fail "no settings yet: say --config FILE (start from deploy/examples/)"
    name=$(following config reberth-config)
    run "make config $name from $config" docker config create "$name" "$config"
    export REBERTH_CONFIG="$name"
}

same_config() { # NAME: whether it has the bytes of $config
    docker config inspect --format '{{json .Spec.Data}}' "$1" | tr -d '"' | base64 -d 2>/dev/null | cmp -s - "$config"
}

install_stack() {
    manager
    [ -z "$config" ] || [ -r "$config" ] || fail "the settings $config cannot be read"
    for each in $with; do
        [ -r "$here/$each.yml" ] || fail "there is no deploy/$each.yml: --with names a file of deploy/ without .yml"
    done
    if [ -z "$image" ]; then
        image=$(docker service inspect --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}' "${stack}_controller" 2>/dev/null) ||
            fail "say --image IMAGE: the image that deploy/Dockerfile builds, where every node can pull it"
    fi
    active=$(docker node ls --filter role=manager --format '{{.Availability}}' | grep -c Active) || true
    [ "${active:-0}" -gt 0 ] || fail "no manager is active: controllers run on managers only (docker node update --availability active NODE)"
    [ "$active" -ge 3 ] || say "note: $active active manager(s). With three, one may die"
    put_config
    for each in $secrets; do put_secret "${each%%=*}" "${each#*=}"; done
    set -- -c "$here/stack.yml"
    for each in $with; do set -- "$@" -c "$here/$each.yml"; done
    export REBERTH_IMAGE="$image"
    run "deploy the stack $stack with $image" docker stack deploy --with-registry-auth "$@" "$stack"
    [ "$wait" = 0 ] || [ "$dry" = 1 ] || until_running
}

until_running() {
    for second in $(seq 1 180); do
        rows=$(docker stack services --format '{{.Name}} {{.Replicas}}' "$stack")
        waiting=$(printf '%s\n' "$rows" | awk '{ split($2, n, "/"); if (n[1] != n[2] || n[2] == 0) print $1 " " $2 }')
        [ -n "$waiting" ] || { say "all services run; ask it: docker exec \$(docker ps -q -f name=${stack}_controller) reberth status (or deploy/install.sh cli, then docker reberth status)"; return; }
        [ $((second % 15)) != 0 ] || say "still waiting: $(printf '%s' "$waiting" | tr '\n' ',')"
        sleep 1
    done
    docker stack ps --no-trunc --filter desired-state=running --format '{{.Name}} on {{.Node}}: {{.CurrentState}} {{.Error}}' "$stack" >&2 || true
    fail "after 3 minutes not every service runs; the rows above say why. It goes on by itself once that is mended"
}

uninstall_stack() {
    manager
    using=$(docker service ls -q | while read -r id; do
        docker service inspect --format '{{.Spec.Name}} {{range .Spec.TaskTemplate.ContainerSpec.Mounts}}{{with .VolumeOptions}}{{with .DriverConfig}}{{.Name}} {{end}}{{end}}{{end}}' "$id"
    done | awk '{ for (i = 2; i <= NF; i++) if ($i == "reberth" || $i == "reberth:latest") { print $1; next } }')
    [ -z "$using" ] || fail "services still use volumes of Reberth: $(echo "$using" | tr '\n' ' '): remove them first"
    sure "this removes the stack $stack and its settings. Disks stay where they are."
    if docker stack services "$stack" >/dev/null 2>&1 && [ -n "$(docker stack services -q "$stack" 2>/dev/null)" ]; then
        run "remove the stack $stack" docker stack rm "$stack"
    fi
    for each in $(docker config ls --format '{{.Name}}' | grep -E '^reberth-config(-[0-9]+)?$' || true); do
        run "remove config $each" retried docker config rm "$each"
    done
    for each in $(docker secret ls --format '{{.Name}}' | grep -E '^reberth-(storage|storage-user|libvirt-cert|libvirt-ca|power-user|power-password|power-ca|operators)(-[0-9]+)?$' || true); do
        run "remove secret $each" retried docker secret rm "$each"
    done
    if [ "$records" = 1 ]; then
        sure "the records of all volumes go now: without them only \`reberth adopt\` finds the disks again."
        for each in $(docker service ls --filter label=reberth.records --format '{{.Name}}'); do
            run "remove $each, which keeps the records" retried docker service rm "$each"
        done
        for each in $(docker config ls --filter label=reberth.kind --format '{{.Name}}'); do
            run "remove record $each" retried docker config rm "$each"
        done
    else
        kept=$(docker config ls -q --filter label=reberth.kind=volume | wc -l)
        say "the records of $kept volume(s) stay in the swarm: installed anew, Reberth goes on with them (--records removes them)"
    fi
    say "on each node, the gate: docker plugin disable reberth && docker plugin rm reberth"
}

retried() { # what a service that is just ending still has is free a moment later
    for _ in $(seq 1 30); do
        "$@" 2>/dev/null && return 0
        sleep 1
    done
    "$@"
}

case $verb in
    install) install_stack ;;
    node) node_settings ;;
    cli) docker_command ;;
    uninstall) uninstall_stack ;;
esac
