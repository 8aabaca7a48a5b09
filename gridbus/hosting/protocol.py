"""What the application and a plugin's process say to each other: the methods of both ends and their arguments.

Frames, calls and events travel as ``gridbus.isolation.wire`` says; here is what is in them. Payloads, messages and
replies are packed by ``gridbus.isolation.wire.packing`` and stand here as ``Packed``: each end reads them into the type
that it has declared itself, never into one that the other end names.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from gridbus.channels.channel import shown
from gridbus.isolation.sandbox import SandboxSpec
from gridbus.isolation.wire import type_path

PROTOCOL = 1
"""The newest version that this code speaks; it is also the oldest."""

Packed: TypeAlias = bytes


class _Struct(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """Fields by position: short, and strict about their number."""


class Code(_Struct):
    """Where a plugin's class is: in a folder, or in a module that the process can import."""

    entry: str  #: ``module:Class``, within the folder where there is one
    folder: str | None = None  #: imported as a package of its own, as inline; see ``hosting.coding`` for its code
    main: str | None = None  #: the file that the application runs as ``__main__``, where the class is in that
    paths: tuple[str, ...] = ()  #: more places to import from, before the application's own (a site folder)


class Hello(_Struct):
    """The first frame that a new process gets, before it confines itself."""

    oldest: int
    newest: int
    plugin_id: str
    code: Code
    config: Any  #: plain data; None for the defaults
    metadata: Any  #: of the manifest, as plain data; None where only the class knows
    sandbox: SandboxSpec
    log_level: int
    core: str  #: version of gridbus in the application


class Declared(_Struct):
    """One handler that a decorator declares."""

    kind: str  #: on, serves or intercepts
    subject: str  #: topic, pattern or channel; for a payload type its path
    permission: str | None


class Loaded(_Struct):
    """The plugin's code is imported and its configuration read; nothing of it runs yet."""

    protocol: int
    metadata: Any  #: plain data
    declared: tuple[Declared, ...]
    hooks: tuple[str, ...]  #: methods of its own that reloading asks for
    confinement: dict[str, str]  #: what was really applied, by layer; an empty text where a layer holds nothing


class Trace(_Struct):
    """As ``gridbus.events.Trace``."""

    correlation_id: str
    causation_id: str
    hops: int


class Cause(_Struct):
    """What a call of the plugin comes from: the event or request in hand, and the trace of what it leads to."""

    subscription: int | None = None  #: number of the subscription or server whose handler runs
    seq: int = 0  #: of the event in hand; for a request ``Serve.request``
    trace: Trace | None = None


class Start(_Struct):
    """Lets the plugin initialize."""

    granted: tuple[str, ...]
    state: Packed | None = None  #: what ``snapshot_state`` of its last process returned
    from_version: str = ""


class Succeed(_Struct):
    """Lets a new generation take what an earlier one left, and do what remains before it takes over."""

    state: Packed | None
    from_version: str


class Subscribe(_Struct):
    """A subscription, server or interceptor of the plugin; it chooses the number, and uses none twice."""

    number: int
    kind: str  #: on, serve or intercept
    subject: str  #: topic, pattern or channel; path of a payload type where ``is_type``
    name: str
    is_type: bool = False
    payload: str | None = None  #: path (``module:Class``) of the payload type; a server's message type by name
    reply: str | None = None  #: a server's reply type by name
    is_stream: bool = False  #: a server that streams, or a subscription that a stream reads
    capacity: int = 1024
    overflow: str = "block"
    block_timeout: float = 5.0
    concurrency: int = 1
    timeout: float | None = None  #: enforced by both ends
    window: int = 256  #: events that may be in the plugin's process at a time
    priority: int = 0


class Ready(_Struct):
    """The plugin is initialized; what it declares goes live at once."""

    subscriptions: tuple[Subscribe, ...]


class Occurrence(_Struct):
    """An event on its way into a plugin's process; the frame's number is that of the subscription."""

    seq: int
    at_ns: int
    bus: str
    source: str
    topic: str
    payload: msgspec.Raw  #: packed
    type: str | None  #: path of the payload's class; None for plain values
    trace: Trace | None


class Failure(_Struct):
    """A handler, task or call that failed, as text."""

    seq: int
    error: str  #: type name
    message: str
    traceback: str
    timed_out: bool = False


class Done(_Struct):
    """Events that the plugin is done with; the frame's number is that of the subscription."""

    count: int  #: of the oldest in flight, where ``seqs`` is None
    seqs: tuple[int, ...] | None = None  #: of which they are, where they did not end in order
    failures: tuple[Failure, ...] = ()
    skipped: int = 0  #: of them: newer ones stood in for them, or ``where`` refused them
    busy_ns: int = 0  #: time in the handler


class Publish(_Struct):
    """An event to publish."""

    topic: str
    payload: Packed
    type: str | None
    cause: Cause | None


class Published(_Struct):
    """What an event became."""

    seq: int
    at_ns: int
    bus: str
    trace: Trace | None
    payload: Packed | None = None  #: where an interceptor changed it


class Ask(_Struct):
    """A message for a channel; asked, told, or asked for a stream."""

    channel: str
    message: Packed
    message_type: str  #: by ``type_name``
    reply_type: str
    to: str | None
    timeout: float | None
    cause: Cause | None


class Serve(_Struct):
    """A request for a server in the plugin's process."""

    number: int  #: of the server
    request: int  #: number of the request, which calls of its handler name as their cause
    message: Packed
    bus: str
    source: str
    trace: Trace | None
    is_told: bool = False


class Intercept(_Struct):
    """A draft for an interceptor in the plugin's process; the reply is None or the packed payload."""

    number: int
    topic: str
    payload: Packed
    type: str | None
    bus: str
    source: str
    trace: Trace | None


class Store(_Struct):
    """An operation on the plugin's own storage."""

    verb: str  #: get, set, delete, clear, keys or size
    key: str = ""
    value: Packed | None = None


class Logged(_Struct):
    """A record of the plugin's logger."""

    logger: str
    level: int
    message: str
    where: str  #: ``file:line``


class Connect(_Struct):
    """A connection that the application opens for the plugin; the descriptor follows on the socket of descriptors."""

    host: str
    port: int
    timeout: float


class TaskFailure(_Struct):
    """A background task of the plugin that failed."""

    task: str
    failure: Failure
    trace: Trace | None = None


class Refusal(_Struct):
    """An allocation or start that a limit refused within the process."""

    limit: str  #: name of the field in ResourceLimits
    message: str


def type_name(annotation: Any) -> str:
    """Return how both ends name a type of a channel: its path, or as it is written where it is of Python itself."""
    return type_path(annotation) or shown(annotation)


#: What the application calls in the plugin's process: arguments and reply of each.
IN_PLUGIN: dict[str, tuple[Any, Any]] = {
    "start": (Start, Ready),
    "serve": (Serve, Packed | None),  # a stream where the server is one: items are Packed
    "intercept": (Intercept, Packed | None),
    "health": (None, Any),  # PluginHealth, as plain data
    "snapshot": (None, Packed | None),
    "succeed": (Succeed, Any),  # PluginHealth, as plain data
    "contracts": (None, dict[str, str]),  # of the channels that it serves, by name
    "configure": (Any, bool),  # plain data; whether the plugin took it as it runs
    "destroy": (None, None),
    "ping": (None, None),
    "grants": (tuple[str, ...], None),
}

#: What a plugin's process calls in the application.
IN_APPLICATION: dict[str, tuple[Any, Any]] = {
    "subscribe": (Subscribe, None),
    "unsubscribe": (int, int),  # number; how many events are dropped
    "publish": (Publish, Published),
    "publish_nowait": (Publish, Published),
    "ask": (Ask, Packed),
    "tell": (Ask, None),
    "ask_stream": (Ask, None),  # items are Packed
    "store": (Store, Any),
    "request_permission": (str, tuple[str, ...]),  # what it is granted now, all of it
    "connect": (Connect, None),
    "stored": (None, int),  # bytes in its storage
}

#: What a plugin's process tells without a reply.
NOTES: dict[str, Any] = {
    "log": Logged,
    "task_failed": TaskFailure,
    "refused": Refusal,
}
