"""
The controller's settings: ``/etc/reberth/reberth.toml`` (or the file named by ``REBERTH_CONFIG``) and the environment.

A variable ``REBERTH_SECTION_KEY`` (or ``REBERTH_KEY`` outside of sections) overrides one key; for a driver's own
settings ``REBERTH_STORAGE_DRIVERNAME_KEY`` or ``REBERTH_POWER_DRIVERNAME_KEY`` (drivers with a hyphen: the file only).
Unknown keys are errors that name the nearest known one. There is no setting for a secret itself: drivers take paths of
files (Docker secrets).
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from controller.environment import BadVariable, override, plain
from controller.model import Capabilities, Detect, FencePolicy, NodeAddresses, Policy
from controller.names import DEFAULT_PORT, OPERATORS_PORT

DEFAULT_FILE = Path("/etc/reberth/reberth.toml")

Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]


class SettingsError(Exception):
    """The settings cannot be used: one sentence that names the key and the cure."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file."""


class PolicySettings(Section, frozen=True):
    """``[policy]``: what may be done about a VM whose node is down. See the words in controller/model.py."""

    fence: FencePolicy = FencePolicy.DETACH
    """``detach``, ``power-off`` or ``hold``; default ``detach``: the mildest that needs nobody at night."""
    grace: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 10.0
    """Seconds a node must be down before a VM that still runs is fenced; default 10: as long as a short network outage.
    Evidence that appears by itself (the VM is off) is used at once."""
    gate_fresh: Annotated[float, msgspec.Meta(ge=40, le=86_400)] = 40.0
    """Seconds after which a gate's word is no longer current; default and least 40: two of its reports, each 20 s."""
    max_down_fraction: Annotated[float, msgspec.Meta(ge=0.01, le=1)] = 0.5
    """With more than this part of all nodes down at once nothing is fenced; default 0.5: the fault is likelier ours."""
    detect: Detect = Detect.SWARM
    """``swarm`` or ``gate``; default ``swarm``. With ``gate`` the grace also begins when a node's gate and node service
    are both silent. It acts on volumes with the fence policy ``power-off`` only: docs/hangs.md."""
    detect_after: Annotated[float, msgspec.Meta(ge=2, le=600)] = 3.0
    """Seconds of silence after which ``detect = "gate"`` suspects a node; default 3, least 2: several beats."""
    node_addresses: NodeAddresses = NodeAddresses.KNOWN
    """``known`` or ``any``; default ``known``: a node that the hypervisor knows by other addresses than the one that
    Swarm's managers see is not believed to be that VM. ``any`` is for nodes behind NAT: then name them in ``vms``."""
    node_label: Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,62})?$")] = "reberth"
    """Label, with the value ``down``, that a node gets when its VM is seen off, and loses when it lives again; default
    ``reberth``. Services with the constraint ``node.labels.reberth != down`` start elsewhere at once; "" sets none."""


class VolumeSettings(Section, frozen=True):
    keep_removed: Annotated[float, msgspec.Meta(ge=0, le=366 * 86_400)] = 86_400.0
    """Seconds for which the disk of a removed volume is kept, so that `reberth undelete` can give it back; default
    86400, a day. Meanwhile it takes its room in the storage. 0 deletes it at once."""

    quotas: str = ""
    """How much volumes may have together, each on a line (or with ``;`` between them): ``shop_*: 500GiB, 20 volumes``
    for a stack, whose volumes are called ``shop_...``, ``team=red: 2TiB`` for a label; default none."""

    full: Annotated[float, msgspec.Meta(ge=0.1, le=1)] = 0.9
    """Part of a volume's room above which `reberth status`, `status --check` and `doctor` say that it is nearly full;
    default 0.9. Of what containers may use; root's reserve of ext4 counts as used. 1 says it when nothing is left."""


class LeadershipSettings(Section, frozen=True):
    """``[leadership]``: who acts among the controllers."""

    beat: Annotated[float, msgspec.Meta(ge=0.5, le=60)] = 5.0
    """Seconds between two signs of life in the record; default 5: one small Raft write each."""
    patience: Annotated[float, msgspec.Meta(ge=5, le=600)] = 15.0
    """Seconds without a sign of life until another manager takes over; default 15: three missed beats."""


class LoopSettings(Section, frozen=True):
    """``[loop]``: how often the controller looks, and how long it waits for an answer."""

    resync: Annotated[float, msgspec.Meta(ge=1, le=300)] = 15.0
    """Seconds between two looks when nothing happens; default 15: a lost event costs that at most."""
    attentive: Annotated[float, msgspec.Meta(ge=0.2, le=60)] = 1.0
    """Seconds between two looks while some volume waits for something; default 1: some things have no events."""

    read_deadline: Annotated[float, msgspec.Meta(ge=1, le=30)] = 10.0
    """Seconds for one reading call; then the part counts as unread; default 10, at most 30: half of what is healthy."""
    call_deadline: Annotated[float, msgspec.Meta(ge=5, le=3600)] = 60.0
    """Seconds for one changing call to the storage; then it is in doubt; default 60: vSphere takes 2 to 20."""
    clone_deadline: Annotated[float, msgspec.Meta(ge=60, le=7 * 86_400)] = 3600.0
    """Seconds for making a disk as a copy of another; then it is in doubt; default 3600: some hundred GiB."""

    backoff: Annotated[float, msgspec.Meta(ge=0.1, le=60)] = 0.5
    """Seconds after the first failure of a volume's operation, doubled with each; default 0.5."""
    backoff_limit: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 30.0
    """The most seconds between two attempts, not less than ``backoff``; default 30."""


class DriverSettings(Section, frozen=True):
    """A driver and, in a table of its name, its own settings, which the driver checks."""

    driver: str | None = None
    """Name of an entry point of the group ``reberth.drivers`` or ``reberth.power``; each driver's page has its own."""

    options: Mapping[str, Mapping[str, object]] = {}
    """Not a key of the file: the tables ``[storage.NAME]`` or ``[power.NAME]`` by name."""

    def own(self) -> Mapping[str, object]:
        """The chosen driver's table."""
        return self.options.get(self.driver or "", {})


class StorageSettings(DriverSettings, frozen=True):
    """``[storage]``: where the disks come from. No default: without a driver volumes get an error that says so."""


class PowerSettings(DriverSettings, frozen=True):
    """``[power]``: who says whether a machine runs, and ends it; default: the storage's own driver, where it can."""


class Settings(Section, frozen=True):
    replaces_swarm: str = ""
    """IDs of swarms that are no more (`docker info` showed them as ClusterID), with blanks between them: disks that
    they left where this one has its own are this one's; default none. See docs/failures.md."""

    listen: str = ""
    """Address on which gates and other controllers are answered; default all of the kind, IPv4 or IPv6, that the node's
    own address in Swarm (or ``advertise``) has: gates come from every node."""

    port: Port = DEFAULT_PORT
    """TCP port for them; default 7490. Gates must use the same (their REBERTH_PORT)."""
    advertise: str | None = None
    """``host:port`` told to others; default the node's address in Swarm and ``port``."""

    metrics_listen: str = "127.0.0.1"
    """Address of the metrics and health port; default loopback. Another one needs a token for /ui and /v1."""
    metrics_port: Port = 7491
    """TCP port for /metrics, /healthz, /ui and /v1 in plain HTTP; default 7491, 0 switches it off."""

    http_token_file: Path | None = None
    """File (a Docker secret) with the token that /ui and /v1 ask for, of 16 characters at least; default none."""
    operators_file: Path | None = None
    """File (a Docker secret) with the CA that signs people's certificates: they are answered over TLS; default none."""
    operators_port: Port = OPERATORS_PORT
    """TCP port for people with such a certificate, on the addresses of ``listen``; default 7492."""
    http_without_token: bool = False
    """Whoever reaches metrics_listen may read /ui and /v1, also where that is no loopback address; default false."""

    webhook_file: Path | None = None
    """File (a Docker secret) with the address that is told of alarms and finished moves by POST; default none."""
    hook: Path | None = None
    """Program that is started for each alarm and each finished move, with its JSON as standard input; default none."""
    otlp_endpoint: str | None = None
    """Address of an OpenTelemetry collector (OTLP over HTTP) that gets a trace of each move; default none."""

    door: Path = Path("/run/reberth/controller.sock")
    """Unix socket for ``reberth status`` and the like; only root may open it."""
    docker: str = "unix:///var/run/docker.sock"
    """The manager's own Docker engine."""
    certificates: Path = Path("/var/lib/docker/swarm/certificates")
    """Folder with swarm-node.crt, swarm-node.key and swarm-root-ca.crt; default where Docker keeps them."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged; default info: one line for each decision that changed."""
    log_format: Literal["text", "json"] = "text"
    """``text`` for people, ``json`` for collectors; default text."""

    storage: StorageSettings = StorageSettings()
    power: PowerSettings = PowerSettings()
    policy: PolicySettings = PolicySettings()
    volumes: VolumeSettings = VolumeSettings()
    leadership: LeadershipSettings = LeadershipSettings()
    loop: LoopSettings = LoopSettings()

    def planner_policy(self, capabilities: Capabilities | None) -> Policy:
        """The planner's policy, with what the driver promises."""
        given = {name: getattr(self.policy, name) for name in self.policy.__struct_fields__}
        return Policy(**given) if capabilities is None else Policy(**given, capabilities=capabilities)


SECTIONS: dict[str, type[Section]] = {
    "policy": PolicySettings,
    "volumes": VolumeSettings,
    "leadership": LeadershipSettings,
    "loop": LoopSettings,
}
DRIVERS = ("storage", "power")  # sections that name a driver

_TOP_LEVEL = tuple(name for name in Settings.__struct_fields__ if name not in {*SECTIONS, *DRIVERS})


def read(environment: Mapping[str, str]) -> Settings:
    """The settings of this process. Raises `SettingsError`. Without a file (and none asked for) the defaults hold."""
    asked = environment.get("REBERTH_CONFIG")
    path = Path(asked) if asked else DEFAULT_FILE
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        if asked:
            raise SettingsError(f"REBERTH_CONFIG names {path}, which does not exist: correct it or unset it") from error
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    return parse(text, environment, str(path))


def parse(text: str, environment: Mapping[str, str], where: str = "reberth.toml") -> Settings:
    """A file's text and the variables -> settings. Pure. Raises `SettingsError`."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{where} is not TOML: {error}") from error
    _check_tables(raw, where)
    try:
        override(raw, environment, _TOP_LEVEL, SECTIONS, DRIVERS)
    except BadVariable as error:
        raise SettingsError(str(error)) from error
    _check_keys(raw, where)
    try:
        whole = raw | {name: _driver(raw.get(name, {})) for name in DRIVERS}
        settings = msgspec.convert(whole, Settings, strict=False, dec_hook=_value)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{where}: {plain(Settings, error)}") from error
    _check_together(settings, where)
    return settings


def _check_together(settings: Settings, where: str) -> None:
    beat, patience = settings.leadership.beat, settings.leadership.patience
    if patience < 2 * beat:  # or one late beat gives every volume another leader, again and again
        raise SettingsError(
            f"{where}: leadership.patience ({patience:g}) must be at least twice leadership.beat ({beat:g})"
        )
    first, most = settings.loop.backoff, settings.loop.backoff_limit
    if most < first:
        raise SettingsError(f"{where}: loop.backoff_limit ({most:g}) must not be less than loop.backoff ({first:g})")


def _driver(table: Mapping[str, object]) -> Mapping[str, object]:
    return {"driver": table.get("driver"), "options": {n: value for n, value in table.items() if n != "driver"}}


def _value(kind: type, value: object) -> object:
    """For what the library does not know: paths, and a driver's own values, which the driver checks."""
    if kind is object:
        return value
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    raise ValueError(f"Expected a path, got {value!r}")


def _check_tables(raw: Mapping[str, Any], where: str) -> None:
    for name in (*SECTIONS, *DRIVERS):
        if not isinstance(raw.get(name, {}), dict):
            raise SettingsError(f"{where}: {name} is a section: write [{name}] and its keys below it")


def _check_keys(raw: Mapping[str, Any], where: str) -> None:
    _check(raw, (*_TOP_LEVEL, *SECTIONS, *DRIVERS), where, "")
    for name, section in SECTIONS.items():
        _check(raw.get(name, {}), section.__struct_fields__, where, f"{name}.")
    for name in DRIVERS:
        _check_driver(name, raw.get(name, {}), where)


def _check_driver(section: str, table: Mapping[str, Any], where: str) -> None:
    for name, value in table.items():
        if name != "driver" and not isinstance(value, dict):
            raise SettingsError(
                f"{where}: unknown key {section}.{name}: [{section}] has only `driver`; "
                f"a driver's own keys go into [{section}.NAME] with the driver's name"
            )
    if section == "power" and table and not table.get("driver"):
        raise SettingsError(
            f"{where}: [power.{next(iter(table))}] is set and no driver is chosen: "
            f'put `driver = "{next(iter(table))}"` into the section [power]'
        )


def _check(table: Mapping[str, Any], known: tuple[str, ...], where: str, prefix: str) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"known are {', '.join(sorted(known))}"
            raise SettingsError(f"{where}: unknown key {prefix}{key}: {hint}")


def from_process() -> Settings:
    return read(os.environ)
