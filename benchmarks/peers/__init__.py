"""The buses that are compared, each behind the same few calls; none is imported before it is opened."""

from benchmarks.peers.aiopubsub_hub import Aiopubsub
from benchmarks.peers.anyio_stream import AnyioStream
from benchmarks.peers.blinker_signals import Blinker
from benchmarks.peers.bubus_bus import Bubus
from benchmarks.peers.gridbus_bus import Gridbus, GridbusNowait, GridbusUvloop
from benchmarks.peers.peer import Feature, Peer
from benchmarks.peers.psygnal_signals import Psygnal
from benchmarks.peers.pyee_emitter import Pyee
from benchmarks.peers.queue_fanout import QueueFanout
from benchmarks.peers.reactivex_subjects import Reactivex
from benchmarks.peers.roster import PEERS
from benchmarks.peers.smallest import SmallestBus

__all__ = [
    "PEERS",
    "Aiopubsub",
    "AnyioStream",
    "Blinker",
    "Bubus",
    "Feature",
    "Gridbus",
    "GridbusNowait",
    "GridbusUvloop",
    "Peer",
    "Psygnal",
    "Pyee",
    "QueueFanout",
    "Reactivex",
    "SmallestBus",
]
