"""What goes wrong between a caller and the service; user code that raises is none of these."""

from __future__ import annotations


class ServiceError(Exception):
    """A call that was refused or could not be served; the message says what to do about it."""

    status = 500
    """The HTTP status that says the same."""
    retry_after: float | None = None
    """Seconds after which the same call may succeed."""


class BadRequest(ServiceError):
    """The call makes no sense as it is."""

    status = 422


class Forbidden(ServiceError):
    """A path that leads out of the folder it must stay in."""

    status = 403


class NotFound(ServiceError):
    """There is no such session or file."""

    status = 404


class Exists(ServiceError):
    """The name is taken."""

    status = 409


class Conflict(ServiceError):
    """The session is in no state for this."""

    status = 409


class TooLarge(ServiceError):
    """The code or the file is over the limit."""

    status = 413


class TooMany(ServiceError):
    """A cap is reached: sessions, one-shots, or a session's queue."""

    status = 429

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        """Say what is full and when to come back."""
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(ServiceError):
    """No kernel can be had: the backend is down or kernels die at birth."""

    status = 503
    retry_after = 5.0


class NotPossible(ServiceError):
    """This backend or machine cannot do it."""

    status = 501
