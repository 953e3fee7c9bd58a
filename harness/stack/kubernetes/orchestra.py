"""What a Kubernetes cluster does to pods when it is asked: deletes, evicts, rolls, hides and cordons.

See ``harness.stack.kubernetes.orchestrated.Orchestrator``. A cordoned machine carries a label, by which
``heal`` finds it without a journal; every other change goes with the namespace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from harness.errors import NotExpressible
from harness.stack.kind.machines import CORDONED
from harness.stack.kubernetes import policies, resizing
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.attended import POD_SETS, Attended, attended
from harness.stack.kubernetes.connection import Refused
from harness.stack.kubernetes.orchestrated import Attention, PodFacts
from harness.stack.kubernetes.owned import Manifest

_HIDDEN = "edge-harness/hidden"
_MISSING = "edge-harness/none:missing"
_NO_POD = PodFacts("", "")


class KubernetesOrchestrator:
    """Over the API server of one cluster, in one namespace.

    Args:
        named: tells what a node's pod is called now.
        cluster: the kind cluster; empty: it is another one.
    """

    def __init__(self, api: Api, named: Callable[[str], str] = str, cluster: str = "") -> None:
        self._api, self._named, self._cluster = api, named, cluster
        self._attended: dict[str, Attended] = {}
        """What each pod belongs to: while there is no pod nobody finds it."""
        self._images: dict[str, dict[str, str]] = {}
        """Of each controller whose image is broken: its own images by container."""
        self._broken: dict[str, str] = {}
        """The pods without an image, and the controller of each."""
        self._hidden: dict[str, list[str]] = {}
        """The Services that led to each pod that is not listed: without a pod nobody finds them."""
        self._denials: dict[str, tuple[policies.Denial, dict[str, str]]] = {}
        """The policy of each pod, and the labels by which it chooses it."""

    def pod(self, node: str) -> PodFacts:
        """The pod *node* now."""
        found = self._api.find("v1", "Pod", self._named(node))
        return _facts(found) if found else _NO_POD

    def delete(self, node: str, *, grace_seconds: int, claims: bool = False) -> None:
        """Delete the pod, its claims first: they stay until it is gone."""
        for claim in self.claims(node) if claims else ():
            self._api.delete("v1", "PersistentVolumeClaim", claim)
        self._api.delete("v1", "Pod", self._named(node), grace_seconds=grace_seconds)

    def claims(self, node: str) -> dict[str, str]:
        """The claims of the pod, and the uid of each."""
        pod = self._api.find("v1", "Pod", self._named(node))
        found = {name: self._api.find("v1", "PersistentVolumeClaim", name) for name in _claims(pod or {})}
        return {name: str(claim["metadata"]["uid"]) for name, claim in found.items() if claim}

    def evict(self, node: str) -> str:
        """Ask for its eviction; returns the words of a disruption budget that forbids it, else nothing."""
        try:
            self._api.evict(self._named(node))
        except Refused as error:
            if error.status == 404:
                return ""  # it is gone already
            if error.status == 429:
                return error.why
            raise
        return ""

    def cordon(self, machine: str, *, closed: bool) -> None:
        """Let no new pod onto *machine*, or let them again."""
        labels = {CORDONED: "true" if closed else None}
        change = {"metadata": {"labels": labels}, "spec": {"unschedulable": closed or None}}
        self._api.patch("v1", "Node", machine, change)

    def cordoned(self, machine: str) -> bool:
        """Whether no new pod is let onto *machine*."""
        found = self._api.find("v1", "Node", machine) or {}
        return bool(found.get("spec", {}).get("unschedulable"))

    def roll(self, node: str) -> str:
        """Have the controller of *node* replace all its pods, one after the other; returns its name."""
        pod = self._api.find("v1", "Pod", self._named(node)) or {"metadata": {}}
        kind, name = _owner(pod)
        if kind == POD_SETS:
            attended(self._api, node, pod).roll(name)
            return name
        controller = self._controller(node)
        count = int(_annotations(controller).get("edge-harness/rolled", "0")) + 1
        mark = {"metadata": {"annotations": {"edge-harness/rolled": str(count)}}}
        self._change(controller, {"spec": {"template": mark}, **mark})
        return _name(controller)

    def pods_of(self, controller: str) -> tuple[str, ...]:
        """The pods of the controller that ``roll`` named."""
        owned = (pod for pod in self._api.every("v1", "Pod") if _owner(pod)[1] == controller)
        return tuple(sorted(_name(pod) for pod in owned))

    def attention(self, node: str) -> Attention:
        """What an operator says of the custom resource for which it keeps the pod."""
        return self._kept(node).attention(self._cluster)

    def pause_reconciliation(self, node: str, *, paused: bool) -> None:
        """Have the operator leave that resource alone, or look after it again; idempotent."""
        self._kept(node).pause(paused=paused)

    def _kept(self, node: str) -> Attended:
        if node not in self._attended:
            pod = self._api.find("v1", "Pod", self._named(node))
            self._attended[node] = attended(self._api, node, pod)
        return self._attended[node]

    def break_image(self, node: str) -> None:
        """Have the pod made anew from an image that is nowhere; the controller's other pods stay."""
        controller = self._controller(node)
        name, containers = _name(controller), controller["spec"]["template"]["spec"]["containers"]
        # A second pod of the same controller finds the images broken already.
        own = self._images.setdefault(name, {each["name"]: each["image"] for each in containers})
        self._broken[node] = name
        broken = dict.fromkeys(own, _MISSING)
        self._change(controller, {"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": None}}})
        self._change(controller, _with_images(broken))
        self._api.delete("v1", "Pod", self._named(node), grace_seconds=0)

    def mend_image(self, node: str) -> None:
        """Have it made from its own image again; idempotent."""
        if node not in self._broken:
            return
        controller = self._controller(node)
        self._change(controller, _with_images(self._images[self._broken[node]]))
        if not self.pod(node).ready:
            # A StatefulSet does not replace a pod that never became ready by itself.
            self._api.delete("v1", "Pod", self._named(node), grace_seconds=0)
        self._change(controller, {"spec": {"updateStrategy": {"type": "RollingUpdate"}}})
        name = self._broken.pop(node)
        if name not in self._broken.values():
            del self._images[name]

    def unlist(self, node: str, *, hidden: bool) -> None:
        """Take every endpoint away from the Services that lead to *node*, or give them back; idempotent."""
        services = self._hidden.get(node) or [_name(service) for service in self._services(node)]
        for service in services:
            change = {"spec": {"selector": {_HIDDEN: "true" if hidden else None}}}
            self._api.patch("v1", "Service", service, change)
        if hidden:
            self._hidden[node] = services
        else:
            self._hidden.pop(node, None)

    def listed(self, node: str) -> dict[str, int]:
        """How many endpoints each Service that leads to *node* has."""
        return {_name(service): self._endpoints(_name(service)) for service in self._services(node)}

    def denial(self, node: str) -> policies.Denial:
        """The policy that would forbid the pod everything."""
        if node not in self._denials:
            pod = self._named(node)
            labels = policies.choosing(_labels(self._api.find("v1", "Pod", pod) or {}))
            alike = [
                _name(each)
                for each in self._api.every("v1", "Pod")
                if labels.items() <= _labels(each).items()
            ]
            if not labels or alike != [pod]:
                why = f"its labels are those of {', '.join(alike)}" if labels else "it has no labels"
                raise NotExpressible(f"no NetworkPolicy can choose {node} alone", why=why)
            self._denials[node] = policies.Denial(self._cluster, self._api.namespace, pod), labels
        return self._denials[node][0]

    def deny(self, node: str) -> None:
        """Apply it."""
        denial = self.denial(node)
        self._api.apply([denial.manifest(self._denials[node][1])])

    def denied(self, node: str) -> bool:
        """Whether it is there."""
        return self._api.find(policies.VERSION, policies.KIND, self.denial(node).name) is not None

    def allow(self, node: str) -> None:
        """Delete it; what was never made is not looked for."""
        if node in self._denials:
            self._api.delete(policies.VERSION, policies.KIND, self._denials[node][0].name)

    def limits(self, node: str) -> dict[str, int]:
        """The processor limit of each container that has one, as the kubelet applied it."""
        return resizing.given(self._pod(node) or {})

    def resizing(self, node: str) -> str:
        """Why the kubelet has not applied what was asked."""
        return resizing.pending(self._pod(node) or {})

    def is_limited(self, node: str) -> bool:
        """Whether the pod bears the mark."""
        pod = self._pod(node)
        return pod is not None and bool(resizing.marked(pod))

    def limit(self, node: str, milli: int) -> None:
        """Mark the pod with what it has, then resize it."""
        pod = self._pod(node)
        before = resizing.asked(pod) if pod else {}
        self._api.patch("v1", "Pod", self._named(node), resizing.marking(before))
        self._api.resize(self._named(node), resizing.change(resizing.lowered(before, milli)))

    def unlimit(self, node: str) -> None:
        """Resize it to what its mark tells; another pod of that name has none."""
        pod = self._pod(node)
        if pod and (before := resizing.marked(pod)):
            self._api.resize(self._named(node), resizing.change(before))
            self._api.patch("v1", "Pod", self._named(node), resizing.marking(None))

    def _pod(self, node: str) -> Manifest | None:
        return self._api.find("v1", "Pod", self._named(node))

    def _endpoints(self, service: str) -> int:
        slices = self._api.every("discovery.k8s.io/v1", "EndpointSlice")
        own = (each for each in slices if _labels(each).get("kubernetes.io/service-name") == service)
        return sum(len(each.get("endpoints") or ()) for each in own)

    def _services(self, node: str) -> Iterator[Manifest]:
        labels = _labels(self._api.find("v1", "Pod", self._named(node)) or {})
        for service in self._api.every("v1", "Service"):
            wanted = {**(service["spec"].get("selector") or {})}
            wanted.pop(_HIDDEN, None)
            if wanted and wanted.items() <= labels.items():
                yield service

    def _controller(self, node: str) -> Manifest:
        pod = self._api.find("v1", "Pod", self._named(node))
        kind, name = _owner(pod) if pod else ("StatefulSet", node.rpartition("-")[0])
        if kind != "StatefulSet":
            what = f"not expressible here, because {node} belongs to {kind or 'nobody'}"
            raise NotExpressible(what, fix="choose a pod of a StatefulSet")
        found = self._api.find("apps/v1", kind, name)
        if found is None:
            raise NotExpressible(f"not expressible here, because there is no {kind} {name}")
        return found

    def _change(self, controller: Manifest, change: Manifest) -> None:
        self._api.patch("apps/v1", str(controller["kind"]), _name(controller), change)


def _facts(pod: Manifest) -> PodFacts:
    status: Manifest = pod.get("status", {})
    conditions = {each["type"]: each["status"] for each in status.get("conditions", ())}
    containers = status.get("containerStatuses", ())
    ends = [each.get("lastState", {}).get("terminated") for each in containers]
    waits = [each.get("state", {}).get("waiting") for each in containers]
    leaving = "deletionTimestamp" in pod["metadata"]
    return PodFacts(
        uid=pod["metadata"]["uid"],
        machine=pod["spec"].get("nodeName", ""),
        ready=conditions.get("Ready") == "True" and not leaving,
        said="; ".join(f"{each['reason']}" for each in waits if each) or str(status.get("phase", "")),
        ended="; ".join(str(each.get("reason", "")) for each in ends if each),
    )


def _claims(pod: Manifest) -> Iterator[str]:
    for volume in pod.get("spec", {}).get("volumes", ()):
        if "persistentVolumeClaim" in volume:
            yield str(volume["persistentVolumeClaim"]["claimName"])


def _with_images(images: dict[str, str]) -> Manifest:
    """A change of the images of a template, by container; a strategic merge would need none of it."""
    containers = [{"name": name, "image": image} for name, image in images.items()]
    return {"spec": {"template": {"spec": {"containers": containers}}}}


def _owner(pod: Manifest) -> tuple[str, str]:
    owners = pod["metadata"].get("ownerReferences", ())
    controller: dict[str, Any] = next((each for each in owners if each.get("controller")), {})
    return str(controller.get("kind", "")), str(controller.get("name", ""))


def _name(thing: Manifest) -> str:
    return str(thing["metadata"]["name"])


def _labels(thing: Manifest) -> dict[str, str]:
    return dict(thing.get("metadata", {}).get("labels") or {})


def _annotations(thing: Manifest) -> dict[str, str]:
    return dict(thing["metadata"].get("annotations") or {})
