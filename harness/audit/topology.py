"""Vector's components as a graph: what flows into each, down to samples of the real events."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.audit.nodes import Node
from harness.audit.programs import Ran, Refusal, Trial, try_program
from harness.audit.samples import METRIC_PATHS, SAMPLES, Sample, as_log, tagged

Group = Literal["sources", "transforms", "sinks"]
_PASSING = {"filter", "route", "exclusive_route", "throttle", "dedupe", "sample", "tag_cardinality_limit"}
"""Transforms that hand events on as they are."""

MOST_PROGRAMS = 60
"""Programs of one configuration that are tried; each costs a process."""

_DEEPEST = 40
_MADE_FROM = {"metric_to_log": "metric", "log_to_metric": "log"}


@dataclass(frozen=True, slots=True)
class Component:
    """One source, transform or sink."""

    name: str
    group: Group
    node: Node

    @property
    def type(self) -> str:
        """Its ``type``."""
        return self.node.text("type")

    @property
    def inputs(self) -> tuple[str, ...]:
        """What it names as its inputs."""
        return tuple(node.text() for node in self.node.list_of("inputs"))

    @property
    def program(self) -> str:
        """Its VRL program, when it is a remap that has one."""
        return self.node.text("source") if self.type == "remap" else ""


@dataclass
class Topology:
    """The components of one configuration. What a program did is remembered: it runs once."""

    components: Mapping[str, Component]
    _flows: dict[str, tuple[Sample, ...] | None] = field(default_factory=dict)
    _trials: dict[str, Trial] = field(default_factory=dict)
    _depth: int = 0

    @classmethod
    def of(cls, root: Node) -> Topology:
        """The graph that *root* describes."""
        groups: tuple[Group, ...] = ("sources", "transforms", "sinks")
        holders = {group: root.at(group) for group in groups}
        found = {
            name: Component(name, group, node)
            for group, holder in holders.items()
            if holder is not None
            for name, node in holder.entries.items()
        }
        return cls(found)

    def each(self, *groups: Group) -> Iterator[Component]:
        """The components of *groups*."""
        return (one for one in self.components.values() if one.group in groups)

    def base(self, name: str) -> list[Component]:
        """The components that the input *name* stands for: itself, ``NAME.output`` or a pattern."""
        if name in self.components:
            return [self.components[name]]
        owner = self.components.get(name.rpartition(".")[0])
        if owner is not None:
            return [owner]
        return [self.components[one] for one in fnmatch.filter(self.components, name)]

    def ancestors(self, component: Component) -> set[str]:
        """The names of everything that flows into *component*, itself left out."""
        found: set[str] = set()
        waiting = [component]
        while waiting:
            for name in waiting.pop().inputs:
                new = [one for one in self.base(name) if one.name not in found]
                found |= {one.name for one in new}
                waiting += new
        return found

    def arriving(self, component: Component) -> tuple[Sample, ...] | None:
        """Samples of what flows into *component*; None when it is not known."""
        flows = [self._output(name) for name in component.inputs]
        if not flows or any(flow is None for flow in flows):
            return None
        return tuple(sample for flow in flows if flow is not None for sample in flow)

    def refusal(self, component: Component) -> Refusal | None:
        """What VRL says against the program of the remap *component*; None when it compiles."""
        return self._trial(component).refusal

    def runs(self, component: Component) -> tuple[tuple[Sample, Ran], ...]:
        """How the program of the remap *component* does on what flows into it; empty when not known."""
        return tuple(zip(self.arriving(component) or (), self._trial(component).runs, strict=False))

    def is_untried(self, component: Component) -> bool:
        """Whether nothing can be said of the program of the remap *component*."""
        return self._trial(component).unknown

    def _trial(self, component: Component) -> Trial:
        if component.name not in self._trials and len(self._trials) >= MOST_PROGRAMS:
            return Trial(unknown=True)
        if component.name not in self._trials:
            samples = self.arriving(component) or ()
            trial = try_program(component.program, [sample.event for sample in samples])
            runs = tuple(map(_as_vector, samples, trial.runs))
            self._trials[component.name] = Trial(trial.refusal, runs, trial.unknown)
        return self._trials[component.name]

    def _output(self, name: str) -> tuple[Sample, ...] | None:
        if name not in self._flows and self._depth < _DEEPEST:
            self._flows[name] = None  # a circle knows nothing of itself
            self._depth += 1
            outputs = [self._emitted(one, name) for one in self.base(name)]
            self._depth -= 1
            known = outputs and all(output is not None for output in outputs)
            self._flows[name] = tuple(s for o in outputs if o is not None for s in o) if known else None
        return self._flows.get(name)

    def _emitted(self, component: Component, name: str) -> tuple[Sample, ...] | None:
        if component.group == "sources":
            samples = SAMPLES.get(component.type)
            return None if samples is None else tuple(tagged(one, component.node) for one in samples)
        if component.group == "sinks":
            return None
        arriving = self.arriving(component)
        if arriving is None or component.type in _PASSING:
            return arriving
        if component.type == "remap" and component.program:
            return self._remapped(component, dropped=name == f"{component.name}.dropped")
        if component.type == "metric_to_log":
            return tuple(as_log(sample) for sample in arriving if sample.type == "metric")
        return None

    def _remapped(self, component: Component, *, dropped: bool) -> tuple[Sample, ...] | None:
        """What leaves a remap: what the program made, and what it failed on unless that is dropped."""
        if self._trial(component).unknown or self.refusal(component):
            return None
        made: list[Sample] = []
        for sample, run in self.runs(component):
            if run.refusal and (dropped or not component.node.flag("drop_on_error")):
                made.append(sample)
            elif not run.refusal and not dropped and isinstance(run.event, Mapping):
                made.append(Sample(sample.name, sample.type, run.event))
        return tuple(made)


def wrong_input(component: Component, samples: tuple[Sample, ...]) -> str:
    """The type of event that *component* cannot take and gets; empty when there is none."""
    takes = _MADE_FROM.get(component.type, "")
    return next((sample.type for sample in samples if takes and sample.type != takes), "")


def _as_vector(sample: Sample, run: Ran) -> Ran:
    """The same, as it goes in Vector: a metric stays one, so what is none any more is refused."""
    event = run.event
    if sample.type == "log" or run.refusal:
        return run
    if not isinstance(event, Mapping) or "name" not in event or not set(event) <= METRIC_PATHS:
        return Ran(refusal=Refusal("of a metric only name, namespace, timestamp, kind and tags can be set"))
    return run
