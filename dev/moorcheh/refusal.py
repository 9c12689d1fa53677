"""The one error of the stand-in: an answer that is not a success."""


class Refusal(Exception):  # noqa: N818 - it is what the server answers, not what went wrong inside
    """Answered as `{"status":"failure","message":…}` with this status code."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}
