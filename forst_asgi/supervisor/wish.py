"""The wish for another process; whoever makes it waits until it has come true, or cannot."""

import asyncio

from forst_asgi.errors import SidecarError


class Wish:
    """Made by anybody, taken by the keeper, answered once; those that are made meanwhile are the same one."""

    def __init__(self) -> None:
        self._made = asyncio.Event()
        self._answered: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"<Wish {'open' if self.is_open else 'none'}>"

    @property
    def is_open(self) -> bool:
        """Whether there is one that nobody has taken."""
        return self._made.is_set()

    async def make(self) -> None:
        """Make it, and return when it has come true.

        Raises:
            SidecarError: why it cannot.
        """
        if self._answered is None or self._answered.done():
            self._answered = asyncio.get_running_loop().create_future()
            # Whoever made it may have gone.
            self._answered.add_done_callback(lambda wish: wish.cancelled() or wish.exception())
            self._made.set()
        await asyncio.shield(self._answered)

    async def made(self) -> None:
        """Return when there is one."""
        await self._made.wait()

    def take(self) -> bool:
        """Take note of it; tell whether there was one."""
        was_open = self.is_open
        self._made.clear()
        return was_open

    def answer(self, error: SidecarError | None = None) -> None:
        """Tell who made it how it went, unless it came too late for this one and is still open."""
        if self._answered is None or self._answered.done() or self.is_open:
            return
        if error is None:
            self._answered.set_result(None)
        else:
            self._answered.set_exception(error)
