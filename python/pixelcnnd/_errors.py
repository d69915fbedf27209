"""What goes wrong, in the daemon's own words."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from ._version import version


class PixelCNNError(Exception):
    """A problem that the daemon reports.

    status: the HTTP status, or None where it ended instead.
    field: the field of the request to correct, or None.
    """

    def __init__(self, detail: str, status: Optional[int] = None, field: Optional[str] = None) -> None:
        super().__init__(detail)
        self.status = status
        self.field = field
        self.retry_after: Optional[float] = None

    def __reduce__(self) -> Any:  # with its fields, from another process
        return type(self), (str(self), self.status, self.field)


class LoadError(PixelCNNError):
    """A model that cannot be served, or no daemon to serve it."""


def problem(details: Mapping[str, Any]) -> PixelCNNError:
    """The error of an RFC 9457 problem."""
    return PixelCNNError(details["detail"], details["status"], details.get("field"))


def unknown_protocol(what: str) -> PixelCNNError:
    """The error of a response that is none of this version's."""
    return PixelCNNError(
        f"the daemon's response is not what pixelcnnd {version()} knows: {what}; use a pixelcnnd of the same version")
