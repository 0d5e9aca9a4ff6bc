"""The errors that reach a person: a stable code, an HTTP status, a sentence and a hint.

AppError                 internal       500
|- BadInput              bad_input      400   a request or argument that cannot be understood
|- NotElf                not_elf        422   a file that is not ELF, or not whole
|- NotFound              not_found      404   nothing by that name here
|- Unauthenticated       unauthenticated 401  no credentials, or wrong ones
|- Forbidden             forbidden      403   known, but not allowed
|- Conflict              conflict       409   the thing is in a state that does not allow it
|- TooLarge              too_large      413   over a ceiling
|- ScriptRefused         script_refused 422   bpftrace or the policy does not take the script
|- Unreachable            unreachable    502   another server that does not answer, or not as it should
|- TracingUnavailable    no_tracing     503   bpftrace missing, or not root
|- StorageFull           disk_full      507   the disk has no room
|- StorageUnavailable    no_storage     503   where bytes are kept cannot be reached or read
`- Busy                  busy           429   a budget is used up
"""

from __future__ import annotations


class AppError(Exception):
    """A failure with a stable code, a sentence for people and a hint at what to do next."""

    code = "internal"
    status = 500

    def __init__(self, message: str, hint: str = "", *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def as_dict(self) -> dict[str, str]:
        """The body of every error answer: ``{code, message, hint}``."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class BadInput(AppError):
    code = "bad_input"
    status = 400


class NotElf(AppError):
    code = "not_elf"
    status = 422


class NotFound(AppError):
    code = "not_found"
    status = 404


class Unauthenticated(AppError):
    code = "unauthenticated"
    status = 401


class Forbidden(AppError):
    code = "forbidden"
    status = 403


class Conflict(AppError):
    code = "conflict"
    status = 409


class TooLarge(AppError):
    code = "too_large"
    status = 413


class ScriptRefused(AppError):
    code = "script_refused"
    status = 422


class Unreachable(AppError):
    code = "unreachable"
    status = 502


class TracingUnavailable(AppError):
    code = "no_tracing"
    status = 503


class StorageFull(AppError):
    code = "disk_full"
    status = 507


class StorageUnavailable(AppError):
    code = "no_storage"
    status = 503


class Busy(AppError):
    code = "busy"
    status = 429
