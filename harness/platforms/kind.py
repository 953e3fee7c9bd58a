"""A kind cluster on this machine: pods whose processes and networks the harness reaches by itself."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from harness import bundle
from harness.doctor import preflight
from harness.faults.heal import heal
from harness.launch import Prepared, fetch, machine_lock, marks
from harness.order import Order
from harness.platforms import Entry
from harness.platforms.booting import ordered
from harness.stack.booted import BootedStack
from harness.stack.kind import cluster, gateway, images
from harness.stack.kubernetes import operators
from harness.stack.kubernetes import platform as kubernetes
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.chosen import selected
from harness.stack.kubernetes.pods import OwnMachine
from harness.stack.kubernetes.sized_claims import SizedClaims
from harness.stack.namespaces import enclosure
from harness.stack.parts import Parts, find_parts

_KILLED = 128 + signal.SIGKILL
_KUBECONFIG, _CLUSTER = "HARNESS_KUBECONFIG", "HARNESS_CLUSTER"


class Kind:
    """See ``harness.platforms.Platform``."""

    def enter(self, entry: Entry) -> int:
        """Run in the network of a cluster, and delete the cluster after, unless it is to stay."""
        prepared = entry.prepared
        preflight(entry.directory.parent)
        with machine_lock(entry.directory.name):
            fetch(prepared)
            parts = find_parts(prepared.definition, prepared.folder, prepared.software)
            operators.check_releases(prepared.definition, fresh=not entry.reuse)
            with cluster.standing(reuse=entry.reuse, keep=entry.keep) as made:
                load_images(prepared, parts, made.name)
                code = _run_inside(made, entry)
                if code == _KILLED:  # it could not take its pods away itself
                    heal(only=entry.directory.name, say=partial(print, file=sys.stderr))
                return code

    @contextmanager
    def boot(self, order: Order) -> Iterator[BootedStack]:
        """Its pods, in a namespace of their own."""
        stack = order.definition.kubernetes
        assert stack is not None
        kubeconfig = Path(os.environ[_KUBECONFIG]).read_text(encoding="utf-8")
        api = Api(kubeconfig, stack.namespace)
        run, machines = order.marks["HARNESS_RUN"], cluster.KindMachines()
        with SizedClaims(Api(kubeconfig, stack.namespace)) as claims:
            grip = OwnMachine(run, api, machines, selected(order.definition), volumes=claims)
            boots = partial(kubernetes.booted, api=api, grip=grip)
            with ordered(boots, order, **{_CLUSTER: os.environ[_CLUSTER]}) as booted:
                yield booted


def _run_inside(made: cluster.Cluster, entry: Entry) -> int:
    kubernetes = entry.prepared.definition.kubernetes
    assert kubernetes is not None
    place = made.name if made.ours and not entry.keep else f"{made.name}/{kubernetes.namespace}"
    with cluster.secret(made.kubeconfig()) as secret:
        own = marks(entry.directory, entry.seed) | {_KUBECONFIG: str(secret), _CLUSTER: place}
        dns = Api(secret.read_text(), "kube-system").service_address("kube-dns", "kube-system")
        argv = [sys.executable, "-m", "harness", *entry.argv]
        return enclosure.keep(gateway.command(made.control_plane_pid, dns, argv), dict(os.environ) | own)


def load_images(prepared: Prepared, parts: Parts, name: str) -> None:
    """Build the images that come from locked jars, and bring them to every node of the cluster *name*.

    Images that were named in their place come too, where Docker has them: nobody else could bring them into a
    cluster that is made for the run.
    """
    ours = images.images_of(prepared.definition, prepared.software, parts.vector)
    for each, image in ours.items():
        images.build(image, bundle.fixtures() / "images" / each / "Dockerfile")
    others = images.present(prepared.definition.images.values())
    images.load([*(images.tag_of(image) for image in ours.values()), *others], name)
