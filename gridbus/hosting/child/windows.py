"""How many events of a subscription may be in a plugin's process at a time."""

from __future__ import annotations

from gridbus.bus.options import Options, Overflow

WINDOW = 256
MOST = 4096


def window_of(options: Options) -> int:
    """Return the window that fits the options.

    What is in the window is on top of what the mailbox in the application holds, so it is a quarter of that at most.
    Where events stand in for each other, or are handled in batches, the plugin has to see all of them at once.
    """
    if options.overflow is Overflow.COALESCE:
        return min(max(options.capacity, options.concurrency), MOST)
    window = max(1, options.concurrency, min(WINDOW, options.capacity // 4))
    if options.pace is not None and options.pace.held > 1:
        window = max(window, options.pace.held)
    return min(window, MOST)


def overflow_there(overflow: Overflow) -> Overflow:
    """Return what the application does when its mailbox is full.

    Which events stand in for which only the plugin knows, as it has the key; so it is here that they do.
    """
    return Overflow.BLOCK if overflow is Overflow.COALESCE else overflow
