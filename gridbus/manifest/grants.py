"""A set of granted permissions, asked on each subscription and publish."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gridbus.manifest.permissions import ANY, Permission, PermissionKind, as_permission


class PermissionSet:
    """Permissions that were granted; asking it is one dictionary look-up once a question has been asked before.

    Answers are kept for a bounded number of questions, because topic names come from outside. Immutable: to grant
    more, make a new set of the old one and the new permission.
    """

    __slots__ = ("_answers", "_permissions")
    MAX_ANSWERS = 4096

    def __init__(self, permissions: Iterable[Permission | str] = ()) -> None:
        self._permissions = tuple(dict.fromkeys(as_permission(item) for item in permissions))
        self._answers: dict[tuple[str, str], bool] = {}

    def allows(self, kind: PermissionKind | str, target: str = ANY) -> bool:
        """Tell whether something may be done; a pattern is allowed only where all that it matches is.

        Raises:
            PluginValidationError: the kind is unknown, or the target does not fit it.
        """
        answer = self._answers.get((kind, target))
        if answer is None:
            answer = self.covers(Permission(kind, target))
            if len(self._answers) >= self.MAX_ANSWERS:
                self._answers.clear()
            self._answers[kind, target] = answer
        return answer

    def covers(self, permission: Permission) -> bool:
        """Tell whether one of the permissions covers this one."""
        return any(granted.covers(permission) for granted in self._permissions)

    def missing(self, wanted: Iterable[Permission]) -> tuple[Permission, ...]:
        """Return those of ``wanted`` that are not granted."""
        return tuple(permission for permission in wanted if not self.covers(permission))

    def __iter__(self) -> Iterator[Permission]:
        """Iterate in the order in which they were granted."""
        return iter(self._permissions)

    def __len__(self) -> int:
        return len(self._permissions)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PermissionSet) and set(self._permissions) == set(other._permissions)

    def __hash__(self) -> int:
        return hash(frozenset(self._permissions))

    def __repr__(self) -> str:
        return f"PermissionSet([{', '.join(repr(str(permission)) for permission in self._permissions)}])"
