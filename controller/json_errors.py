"""
What the decoder raises for bytes that are no message. Pure.

For bytes from elsewhere (a peer, a disk, a file that may be damaged) all of them must be caught: bytes that are no
UTF-8 within a text, and thousands of brackets where a field is skipped, are no `msgspec.DecodeError`.
"""

from __future__ import annotations

import msgspec

NOT_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
