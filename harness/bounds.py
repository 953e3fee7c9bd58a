"""What a guarantee that held through n faults says of the next one: less than a clean run seems to.

No violation in n injections bounds the chance that one injection breaks the guarantee by
1 - 0.05^(1/n), with 95 % confidence; for large n that is the rule of three, 3/n. Records do not
count: a billion clean ones through two kills are still two kills. The bound is told beside every
guarantee that held without a violation, so that nobody takes PASS for more than it is. It is
rounded up, here and nowhere else: it must not look better than it is.
"""

from __future__ import annotations

import math

from harness.findings import Bound, Finding, RunDocument
from harness.verdict import Kind, Verdict


def injections(document: RunDocument) -> int:
    """How many injections were proven to have had their effect: the n of the bound."""
    return sum(fault.effect_proven_at is not None for fault in document.faults)


def held(found: Finding) -> bool:
    """Whether a bound may stand beside *found*: it is a guarantee that held without a violation."""
    return found.kind is Kind.GUARANTEE and found.verdict is Verdict.PASS and not found.violations


def most_likely_share(clean: int) -> float:
    """The 95 % upper bound on the share of injections that would break it, after *clean* that did not.

    *clean* is at least 1.
    """
    share: float = 1.0 - 0.05 ** (1.0 / clean)
    return share


def share_up(share: float) -> float:
    """An upper bound on a share, rounded up to a thousandth."""
    # What floats add to an exact thousandth, 0.777 * 1000 or so, must not make it the next one.
    return math.ceil(round(share * 1000, 6)) / 1000


def percent_up(share: float) -> str:
    """The same as a percentage with one digit."""
    return f"{share_up(share) * 100:.1f} %"


def bound(clean: int) -> Bound:
    """What *clean* injections, none of which broke it, say."""
    return Bound(injections=clean, at_most=share_up(most_likely_share(clean)) if clean else None)


def bounded(document: RunDocument) -> RunDocument:
    """*document* with the bound beside every guarantee that held, and beside its verdict."""
    said = bound(injections(document))
    findings = tuple(
        each.model_copy(update={"bound": said if held(each) else None}) for each in document.findings
    )
    top = said if any(map(held, findings)) else None
    return document.model_copy(update={"findings": findings, "bound": top})
