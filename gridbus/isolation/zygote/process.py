"""The beginning of a started interpreter: it imports what it was told, and becomes the zygote or a child."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from gridbus.isolation.zygote import birth
from gridbus.isolation.zygote.forker import Forker
from gridbus.isolation.zygote.launch import Plan, plan_of


def main(told: Mapping[str, Any]) -> NoReturn:
    """Become what the command line says; the process ends with this call."""
    plan = plan_of(told)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the application's thread may have blocked some
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if plan.control is None:
        be_child(plan)
    be_zygote(plan, plan.control)


def be_zygote(plan: Plan, control: int) -> NoReturn:
    """Import everything, then fork children until the application is gone."""
    application = os.pidfd_open(plan.application)
    if os.getppid() != plan.application:
        os._exit(0)  # it is gone already, and its number may be another's
    signal.alarm(plan.start_limit)  # while it imports it does not see whether the application is still there
    entry = warm_up(plan)
    signal.alarm(0)
    refuse_threads(plan)
    forker = Forker(control=socket.socket(fileno=control), application=application)
    gc.collect()
    gc.freeze()  # else each child's first collection would write to, and so copy, every page
    child = forker.serve()
    if child is not None:  # this is the child: the zygote itself comes back when all is over
        birth.live(entry, child.socket, child.descriptors)
    os._exit(0)


def be_child(plan: Plan) -> NoReturn:
    """Be the one child of this interpreter, where nothing can be forked."""
    assert plan.socket is not None
    assert plan.descriptors is not None
    birth.death_bond()(plan.application)
    birth.live(warm_up(plan), plan.socket, plan.descriptors)


def warm_up(plan: Plan) -> birth.Entry:
    """Import ``plan.preload`` and return the entry.

    An error names what could not be imported; it reaches the application as text on standard error.
    """
    for name in plan.preload:
        module, _, function = name.partition(":")
        try:
            imported = importlib.import_module(module)
            if function:
                getattr(imported, function)()
        except BaseException:
            _say(f"cannot preload {name!r}:")
            raise
    module, _, function = plan.entry.partition(":")
    try:
        entry: birth.Entry = getattr(importlib.import_module(module), function)
    except BaseException:
        _say(f"cannot import the entry {plan.entry!r}:")
        raise
    return entry


def refuse_threads(plan: Plan) -> None:
    """End if something started a thread: a lock that it holds while a child is forked would never be released."""
    count = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1
    if count > 1:
        names = ", ".join(plan.preload)
        _say(f"{count - 1} threads run after preloading ({names}): import no module that starts threads")
        sys.exit(1)


def _say(text: str) -> None:
    sys.stderr.write(f"zygote: {text}\n")
    sys.stderr.flush()
