"""The metrics agent as a pod: it is applied last, checks its own configuration, and is ended with its pod.

Its bucket is one that the harness makes, so its manifests wait for the rest of the stack. Without a binary to
make an image of, and without a published image, the stack runs without it, as on the local platform.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from harness.errors import BadInput, StackError
from harness.stack.assembly import Assembly, listens_on
from harness.stack.booted import BootedStack
from harness.stack.definition import NodeDefinition, StackDefinition
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.owned import Manifest
from harness.stack.kubernetes.pod_files import agent_config, agent_variables
from harness.stack.kubernetes.pods import OwnMachine, PodLike, PodService
from harness.stack.parts import Parts
from harness.stack.process import started_ms
from harness.stack.seams import Process
from harness.stack.vector.agent import Answers, sent_all
from harness.stack.vector.component import complaint

_READY_S = 120.0
_CHECK = "check"
"""The container that validates the configuration before the agent starts."""

_NO_PODS = {"spec": {"replicas": 0}}
_CROSS = "x "
"""So begin the lines of ``vector validate`` that complain."""


class PodAgent(PodService):
    """The Vector of a pod; see ``harness.stack.vector.agent.MetricsAgent``.

    Args:
        node: its pod.
        answers: what can be asked of it.
        api: the namespace of its pod.
        logs: where its log goes when it is ended: the pod takes it along.
    """

    def __init__(self, node: PodLike, answers: Answers, api: Api, logs: Path) -> None:
        super().__init__(node, answers.wait_scraping, partial(api.tail, node.name))
        self.answers = answers
        self._api, self._log = api, logs / f"{node.name}.log"
        self._life: tuple[Process, int] | None = None

    @property
    def started_ms(self) -> int:
        """The wall clock when the present process was started, or the last one while there is none."""
        process = self.process
        if self._life is None or self._life[0] is not process:
            self._life = process, started_ms(process)
        return self._life[1]

    def stop(self, seconds: float) -> bool:
        """Take its pod away, which ends it gracefully. Returns whether everything it held was sent.

        Raises:
            StackError: it still runs after *seconds*, or what it said to the end could not be read.
        """
        process, log = self.process, self._api.last_log(self.node.name, seconds)
        said = next(log, "")
        self._api.patch("apps/v1", "StatefulSet", self.node.name.rpartition("-")[0], _NO_PODS)
        said += "".join(log)
        self._log.write_text(said)
        process.wait_gone(seconds)
        return sent_all(said)


def has_agent(definition: StackDefinition, parts: Parts) -> bool:
    """Whether the stack has a metrics agent, and there is something to make its pod of."""
    return definition.vector is not None and not parts.vector_missing


def with_agent(
    stack: BootedStack, assembly: Assembly, api: Api, grip: object, manifests: Iterable[Manifest]
) -> BootedStack:
    """The *stack*, which stands already, with the agent that *manifests* make; if it has none, as it is.

    Raises:
        BadInput: Vector refuses its configuration, or its process would run out of the harness's sight.
        StackError: the pod did not become ready, or it scrapes nothing.
    """
    if not has_agent(assembly.definition, assembly.parts):
        return stack
    if not isinstance(grip, OwnMachine):
        what, why = "Vector cannot run here", "only a cluster on this machine shows when its process began"
        raise BadInput(what, why=why, fix="leave images.vector away, or --platform kind")
    (node,) = assembly.definition.nodes_of("vector")
    api.config_map("edge-vector", agent_variables(assembly.definition))
    api.apply(manifests)
    _await_pod(assembly, api, node.name)
    agent = _agent(assembly, api, grip, node)
    agent.wait_ready(_READY_S)
    pods = {each.name: stack.nodes[each.name] for each in assembly.definition.nodes if each is not node}
    nodes = {**pods, node.name: agent.node, **stack.nodes}  # the observer stays the last
    return replace(stack, nodes=nodes, services={**stack.services, node.name: agent}, agent=agent)


def _await_pod(assembly: Assembly, api: Api, pod: str) -> None:
    """Return when the agent's *pod* is ready."""
    try:
        api.wait_ready([pod], _READY_S)
    except StackError as error:
        said = api.log(pod, container=_CHECK)
        if not any(line.strip().startswith(_CROSS) for line in said.splitlines()):
            raise
        assert assembly.definition.vector is not None
        raise BadInput(f"vector refuses {assembly.definition.vector.config}", why=complaint(said)) from error


def _agent(assembly: Assembly, api: Api, grip: OwnMachine, node: NodeDefinition) -> PodAgent:
    definition = assembly.definition
    assert definition.vector is not None
    pod = grip.node(node.name, node.role, listens_on(definition, node, vector=True))
    config = agent_config(definition, assembly.folder)
    answers = Answers(node.name, node.address, config, definition.vector)
    return PodAgent(pod, answers, api, assembly.logs)
