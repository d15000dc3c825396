"""Awaitables as coroutines, which a TaskGroup wants."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def as_coroutine(work: Awaitable[T]) -> T:
    return await work
