"""How long handlers take, in logarithmic buckets."""

from __future__ import annotations


class Latency:
    """A histogram of durations in nanoseconds; buckets are a quarter of an octave wide: quantiles are right to 10 %."""

    __slots__ = ("buckets", "count", "total_ns")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.count = 0
        self.total_ns = 0

    def add(self, ns: int, times: int = 1) -> None:
        """Count ``times`` calls of ``ns`` nanoseconds each."""
        octave = ns.bit_length()
        quarter = (ns >> (octave - 3)) & 3 if octave > 2 else 0
        bucket = octave * 4 + quarter
        self.buckets[bucket] = self.buckets.get(bucket, 0) + times
        self.count += times
        self.total_ns += ns * times

    def quantile(self, q: float) -> float | None:
        """Return the duration in nanoseconds that a share ``q`` of the calls stayed under; None without calls."""
        if not self.count:
            return None
        rank = q * self.count
        bucket = 0
        for bucket in sorted(self.buckets):
            rank -= self.buckets[bucket]
            if rank <= 0:
                break
        octave, quarter = divmod(bucket, 4)
        return float(2 ** (octave - 1)) * (1 + (quarter + 0.5) / 4) if octave else 0.0

    def merge(self, other: Latency) -> None:
        """Add the calls of another histogram to this one."""
        for bucket, times in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + times
        self.count += other.count
        self.total_ns += other.total_ns
