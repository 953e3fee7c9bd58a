"""Hypothesis strategies for whole run documents, hostile text included.

The verdict and the exit code are computed from the parts by the rules of
``harness.verdict``, as a checker would; what the report makes of them is tested.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st

from harness.findings import FaultOutcome, Finding, RunDocument, Witness
from harness.report.headline import fault_verdict
from harness.tests.report.build import KILL, document
from harness.verdict import Kind, Verdict, exit_code, worst

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "]]><evil/>",
    "line\nbreak\r\nagain\rand",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "\x00\x01\x08\x0b\x1f\x7f\x9b31m\x85",
    "\u202eright to left\u2066\u200b",
    "::error file=x::injected",
    "##[error]injected ##vso[task.complete]",
    "$(id) ;rm `x` {{ 7*7 }} {% raw %}",
    "&lt;already&gt; &amp;",
    "\ufffe\uffff \U0001f600",
    "x" * 249,
)  # fmt: skip

unhurried = settings(deadline=None)
"""The time of one example says nothing on a shared machine."""

texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=20))
seconds = st.one_of(st.none(), st.floats(0, 100, allow_nan=False))


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    """One finding; a pass always compared something."""
    verdict = draw(st.sampled_from(Verdict))
    least = 1 if verdict is Verdict.PASS else 0
    return Finding(
        checker=draw(texts),
        kind=draw(st.sampled_from(Kind)),
        verdict=verdict,
        summary=draw(texts),
        compared={draw(texts): draw(st.integers(least, 10**9))},
        violations=draw(st.integers(0, 100)),
        limit=draw(texts),
        witnesses=(Witness(record=draw(texts), detail=draw(texts)),) * draw(st.integers(0, 2)),
        excused={draw(texts): 1},
    )


@st.composite
def faults(draw: st.DrawFn) -> FaultOutcome:
    """One fault, proven or not."""
    return FaultOutcome(
        name=draw(texts),
        kind=draw(texts),
        target=draw(texts),
        why_this_target=draw(texts),
        injected_at=draw(seconds),
        effect_proven_at=draw(seconds),
        healed_at=draw(seconds),
        healing_proven_at=draw(seconds),
        effect_proof=draw(texts),
        healing_proof=draw(texts),
        commands=(draw(texts),),
    )


@st.composite
def documents(draw: st.DrawFn) -> RunDocument:
    """A run document that agrees with itself."""
    found = draw(st.lists(findings(), max_size=4))
    done = draw(st.lists(st.one_of(st.just(KILL), faults()), max_size=3))
    parts = [(f.kind, f.verdict) for f in found]
    parts += [(Kind.SOUNDNESS, fault_verdict(f)[0]) for f in done]
    if not found:
        parts.append((Kind.SOUNDNESS, Verdict.UNKNOWN))
    return document(
        findings=found,
        faults=done,
        verdict=worst(verdict for _, verdict in parts),
        exit_code=exit_code(parts, aborted=draw(st.booleans())),
        sentence=draw(texts),
        title=draw(texts),
        scenario=draw(texts),
        expect=draw(st.sampled_from(["held", "broken"])),
        environment={draw(texts): {draw(texts): draw(texts)}},
        command=[draw(texts)],
    )
