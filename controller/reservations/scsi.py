"""
SCSI commands to one block device by SG_IO, and the kernel's own calls for registrations (IOC_PR).

The functions here block, some without an end where a path is lost: whoever calls them does so in a thread of its own.
What a LUN refuses comes back; what it did not answer is raised.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
from dataclasses import dataclass

from controller.reservations import codec
from controller.reservations.codec import Act, Read

SG_IO = 0x2285
IOC_PR_REGISTER = 0x401870C8
_IGNORE = 1  # flag of IOC_PR_REGISTER: whatever key the nexus has
_FROM, _TO = -3, -2
_SENSE_BYTES = 64
_SENSE_IS_THERE = 0x08  # in the driver's status: no error
_SECONDS = 10  # that the kernel gives one command


class NotSent(Exception):
    """The command cannot have had an effect. The text is for people."""


class NoAnswer(Exception):
    """It was sent, and whether it was done is not known. The text is for people."""


class Failed(Exception):
    """The LUN says that it did not do it, and why."""


class Conflict(Failed):
    """
    RESERVATION CONFLICT: the nexus is not registered with the key that was named, or whoever was to be preempted is
    not there. Which of the two, only the keys tell.
    """

    def __init__(self, why: str = "reservation conflict") -> None:
        super().__init__(why)


class _Header(ctypes.Structure):
    """``struct sg_io_hdr`` of scsi/sg.h."""

    _fields_ = (
        ("interface_id", ctypes.c_int),
        ("direction", ctypes.c_int),
        ("command_length", ctypes.c_ubyte),
        ("sense_size", ctypes.c_ubyte),
        ("segments", ctypes.c_ushort),
        ("length", ctypes.c_uint),
        ("data", ctypes.c_void_p),
        ("command", ctypes.c_void_p),
        ("sense", ctypes.c_void_p),
        ("timeout", ctypes.c_uint),
        ("flags", ctypes.c_uint),
        ("pack_id", ctypes.c_int),
        ("user", ctypes.c_void_p),
        ("status", ctypes.c_ubyte),
        ("masked_status", ctypes.c_ubyte),
        ("message_status", ctypes.c_ubyte),
        ("sense_written", ctypes.c_ubyte),
        ("host_status", ctypes.c_ushort),
        ("driver_status", ctypes.c_ushort),
        ("residual", ctypes.c_int),
        ("duration", ctypes.c_uint),
        ("info", ctypes.c_uint),
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    host: int
    driver: int
    sense: codec.Sense
    data: bytes


def read(fd: int, what: Read) -> bytes:
    """The whole answer. Raises NotSent, NoAnswer, Failed."""
    allocated = codec.ALLOCATED
    while True:
        answer = _told(fd, codec.read_command(what, allocated), bytes(allocated), _FROM)
        if what is Read.CAPABILITIES or codec.wanted(answer) <= allocated or allocated == 0xFFFF:
            return answer
        allocated = 0xFFFF


def act(fd: int, what: Act, own: int, other: int, *, persist: bool = True) -> None:
    """Raises NotSent, NoAnswer, Failed."""
    _told(fd, codec.act_command(what), codec.act_parameters(own, other, persist=persist), _TO)


def register(fd: int, old: int | None, new: int) -> None:
    """
    The key ``new`` on each path of the device, in place of ``old`` (0: it has none; None: whatever it has), and all of
    the LUN's registrations kept when its power goes (APTPL), which this call of the kernel's always asks for.

    0 as the new one takes the registration away. Raises NotSent, NoAnswer, Failed.
    """
    asked = bytearray(struct.pack("QQII", old or 0, new, _IGNORE if old is None else 0, 0))
    try:
        # A bytearray and the flag: with bytes the call's number would be lost, and a conflict look like a success.
        status = fcntl.ioctl(fd, IOC_PR_REGISTER, asked, True)
    except OSError as error:
        raise _unsent(error, "registers keys") from error
    if status == codec.CONFLICT:
        raise Conflict
    if status:
        raise NoAnswer(f"the LUN answered a registration with the status {status:#x}")


def _told(fd: int, command: bytes, data: bytes, direction: int) -> bytes:
    answer = _sent(fd, command, data, direction)
    if answer.status == codec.CHECK_CONDITION and answer.sense.key == codec.UNIT_ATTENTION:
        # News for this nexus, such as that others' reservations were preempted: the command itself was not looked at.
        answer = _sent(fd, command, data, direction)
    return _judged(answer)


def _judged(answer: _Answer) -> bytes:
    if answer.host or answer.driver & ~_SENSE_IS_THERE & 0x0F:
        raise NoAnswer(f"the LUN did not answer (host status {answer.host:#x}, driver status {answer.driver:#x})")
    if answer.status == codec.GOOD:
        return answer.data
    if answer.status == codec.CONFLICT:
        raise Conflict
    if answer.status == codec.CHECK_CONDITION:
        raise Failed(f"the LUN refuses it: {answer.sense}")
    if answer.status == codec.BUSY:
        raise Failed("the LUN is busy")
    raise NoAnswer(f"the LUN answered with the status {answer.status:#x}")


def _sent(fd: int, command: bytes, data: bytes, direction: int) -> _Answer:
    asked, moved = (ctypes.create_string_buffer(each, len(each)) for each in (command, data))
    sense = ctypes.create_string_buffer(_SENSE_BYTES)
    header = _Header(
        interface_id=ord("S"),
        direction=direction,
        command_length=len(command),
        sense_size=_SENSE_BYTES,
        length=len(data),
        data=ctypes.addressof(moved),
        command=ctypes.addressof(asked),
        sense=ctypes.addressof(sense),
        timeout=_SECONDS * 1000,
    )
    whole = bytearray(header)
    try:
        fcntl.ioctl(fd, SG_IO, whole, True)
    except OSError as error:
        raise _unsent(error, "takes SCSI commands") from error
    done = _Header.from_buffer_copy(whole)
    residual = done.residual if 0 <= done.residual <= len(data) else 0
    got = moved.raw[: len(data) - residual]
    return _Answer(done.status, done.host_status, done.driver_status, codec.sense(sense.raw[: done.sense_written]), got)


def _unsent(error: OSError, what: str) -> NotSent | NoAnswer:
    """As the kernel says it before it sends anything, or afterwards."""
    if error.errno in {errno.EPERM, errno.EACCES}:
        return NotSent("the kernel lets only who has CAP_SYS_RAWIO and CAP_SYS_ADMIN do this")
    if error.errno in {errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP}:
        return NotSent(f"the device is none that {what}: a partition, or no SCSI disk")
    if error.errno in {errno.ENODEV, errno.ENXIO}:
        return NotSent("the device is gone")
    return NoAnswer(f"the kernel says: {os.strerror(error.errno or 0)}")
