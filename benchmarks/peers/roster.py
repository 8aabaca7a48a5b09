"""Who takes part, in the order of the table."""

from __future__ import annotations

from benchmarks.peers.aiopubsub_hub import Aiopubsub
from benchmarks.peers.anyio_stream import AnyioStream
from benchmarks.peers.blinker_signals import Blinker
from benchmarks.peers.bubus_bus import Bubus
from benchmarks.peers.gridbus_bus import Gridbus, GridbusNowait, GridbusUvloop
from benchmarks.peers.peer import Peer
from benchmarks.peers.psygnal_signals import Psygnal
from benchmarks.peers.pyee_emitter import Pyee
from benchmarks.peers.queue_fanout import QueueFanout
from benchmarks.peers.reactivex_subjects import Reactivex
from benchmarks.peers.smallest import SmallestBus

PEERS: tuple[type[Peer], ...] = (
    Gridbus,
    GridbusNowait,
    GridbusUvloop,
    SmallestBus,
    QueueFanout,
    AnyioStream,
    Psygnal,
    Blinker,
    Reactivex,
    Pyee,
    Aiopubsub,
    Bubus,
)
