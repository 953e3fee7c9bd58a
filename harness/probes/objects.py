"""How long the object store takes to answer, asked with the cheapest question there is.

No bucket is named and nothing is signed: a server that says no is there. An
answer of 500 or more says that it could not, and counts as none.
"""

from __future__ import annotations

import time

from harness.errors import StackError
from harness.probes.sampler import CALL_S, Sample
from harness.web import status_of

_SERVER_ERROR = 500


class ObjectsProbe:
    """Samples the latency of one S3 server; see ``sampler.Probe``."""

    name = "objects"

    def __init__(self, node: str, url: str) -> None:
        self._node, self._url = node, url

    def sample(self) -> list[Sample]:
        """Milliseconds from the question to the answer.

        Raises:
            StackError: there was no answer in time, or it was a server error.
        """
        started = time.monotonic()
        status = status_of(self._url, CALL_S)
        if status >= _SERVER_ERROR:
            raise StackError(f"{self._url} answered {status}")
        return [(self._node, "latency_ms", (time.monotonic() - started) * 1000)]
