"""The event bus."""

from gridbus.bus.bus import Bus, BusState, BusStats
from gridbus.bus.intercept import Draft, Interceptor
from gridbus.bus.jobs import Job
from gridbus.bus.middleware import Handler, Middleware, check_payload, logged, only, validated
from gridbus.bus.options import Overflow
from gridbus.bus.pace import Batch, Debounce, Throttle
from gridbus.bus.scope import Scope, ScopeReport
from gridbus.bus.stream import EventStream
from gridbus.bus.subscription import Subscription, SubscriptionStats

__all__ = [
    "Batch",
    "Bus",
    "BusState",
    "BusStats",
    "Debounce",
    "Draft",
    "EventStream",
    "Handler",
    "Interceptor",
    "Job",
    "Middleware",
    "Overflow",
    "Scope",
    "ScopeReport",
    "Subscription",
    "SubscriptionStats",
    "Throttle",
    "check_payload",
    "logged",
    "only",
    "validated",
]
