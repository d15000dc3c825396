"""All that can be asked of a controller: one table for both ends of the wire. Pure."""

from __future__ import annotations

from typing import Any

from controller.protocol import messages as say
from controller.protocol import operator
from controller.protocol.answers import Status
from controller.protocol.beats import Beat, Pace
from controller.protocol.endpoint import Access, Endpoint, done

CREATE_VOLUME = Endpoint("/v1/volumes/create", say.CreateVolume, done(say.Volume), Access.CHANGE)
GET_VOLUME = Endpoint("/v1/volumes/get", say.GetVolume, done(say.Volume))
INSPECT_VOLUME = Endpoint("/v1/volumes/inspect", say.GetVolume, done(say.Details))  # 404 from older versions, too
LIST_VOLUMES = Endpoint("/v1/volumes/list", say.Empty, done(say.Volumes))
NAMES = Endpoint("/v1/names", say.KnownNames, done(say.Names))  # a controller of an older version says 404
REMOVE_VOLUME = Endpoint("/v1/volumes/remove", say.RemoveVolume, done(say.Empty), Access.CHANGE)
MOUNT: Endpoint[say.MountRequest, say.MountGrant | say.Pending] = Endpoint(
    "/v1/mount", say.MountRequest, {Status.DONE: say.MountGrant, Status.PENDING: say.Pending}
)
SYNC = Endpoint("/v1/sync", say.Sync, done(say.Orders))  # at once if there are any, else after ``wait`` seconds
HELLO = Endpoint("/v1/hello", say.Hello, done(say.Empty))  # from the node service
BEAT = Endpoint("/v1/beat", Beat, done(Pace))  # from the node service; older controllers say 404

ENDPOINTS: tuple[Endpoint[Any, Any], ...] = (
    CREATE_VOLUME,
    GET_VOLUME,
    INSPECT_VOLUME,
    LIST_VOLUMES,
    NAMES,
    REMOVE_VOLUME,
    MOUNT,
    SYNC,
    HELLO,
    BEAT,
    *operator.QUESTIONS,
)
