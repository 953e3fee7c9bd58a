"""What one operation claims must fit together: no cluster and no client can make what is refused here.

What is only wrong is for the checks to find. A record that was handed out from outside of where its poll
went, or a log that ends below what was acknowledged, has been seen; a log that ends before it begins is a
mistake of whoever writes it down, and no verdict may rest on it.
"""

from __future__ import annotations

from harness.history.operations import Commit, Consumed, Fence, Poll, Send, Transaction


class Impossible(ValueError):
    """An operation that cannot be; the message names the field that says so."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")


def check_send(send: Send) -> None:
    """Only an attempt that took effect was given a place.

    Raises:
        Impossible: that is not so, or the instants are not.
    """
    _answered(send)
    if send.offset is not None and send.outcome != "ok":
        raise Impossible("offset", f"a broker that answers one says ok, and the outcome is {send.outcome}")


def check_poll(poll: Poll) -> None:
    """A poll leads on.

    Raises:
        Impossible: the position went back, or time did.
    """
    start, end = poll.position
    if end < start:
        raise Impossible("position", f"it went back from {start} to {end} within one poll")
    _in_order(poll.t)


def check_end(end: Transaction) -> None:
    """What a transaction took in are stretches of its inputs.

    Raises:
        Impossible: one ends before it begins, or the instants are not in order.
    """
    _answered(end)
    for place, each in enumerate(end.consumed):
        _check_stretch(place, each)


def check_commit(commit: Commit) -> None:
    """A commit is answered after it is asked for.

    Raises:
        Impossible: the instants are not in order.
    """
    _answered(commit)


def check_fence(fence: Fence) -> None:
    """A log begins, is stable so far, and ends.

    Raises:
        Impossible: not in this order.
    """
    if fence.end < fence.first:
        raise Impossible("end", f"the log ends at {fence.end}, before it begins at {fence.first}")
    if not fence.first <= fence.stable <= fence.end:
        within = f"{fence.first} and {fence.end}, where the log begins and ends"
        raise Impossible("stable", f"{fence.stable} does not lie between {within}")


def _check_stretch(place: int, each: Consumed) -> None:
    if each.until < each.first:
        why = f"the input ends at {each.until}, before it begins at {each.first}"
        raise Impossible(f"consumed.{place}.until", why)


def _answered(asked: Send | Transaction | Commit) -> None:
    _in_order(asked.t)
    if asked.t[1] is None and asked.outcome != "unknown":
        raise Impossible("t", f"the outcome is {asked.outcome}, and nobody ever knew it")


def _in_order(t: tuple[int, int | None]) -> None:
    invoked, done = t
    if done is not None and done < invoked:
        raise Impossible("t", f"it was done at {done}, before it was invoked at {invoked}")
