"""A site for a pipeline without processes: cluster, store, agent and administration are fakes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from botocore.exceptions import ClientError

from harness import bundle
from harness.errors import StackError
from harness.hops import Hops, Site
from harness.rundir import EventLog, RunDirectory
from harness.s3 import S3Client
from harness.stack.booted import BootedStack
from harness.stack.definition import read_definition
from harness.stack.kafka.admin import KafkaAdmin
from harness.stack.objects.component import ObjectStore
from harness.stack.parts import Parts
from harness.stack.vector.agent import Answers
from harness.stack.vector.says import Said
from harness.tests.faults.fakes import FakeNode
from harness.tests.stack.flinks import FakeFlink

E = TypeVar("E")

STACKS = bundle.fixtures() / "stacks"


class FakeBoto:
    """Buckets in memory, in the words of boto3's client; ``refuses`` is S3's word for every call."""

    def __init__(self, *buckets: str) -> None:
        self.buckets: dict[str, dict[str, bytes]] = {name: {} for name in buckets}
        self.refuses = ""

    def list_objects_v2(self, **wanted: str) -> Mapping[str, list[Mapping[str, object]]]:
        """Every object of a bucket."""
        held = self._bucket(wanted["Bucket"])
        return {"Contents": [{"Key": name, "Size": len(body)} for name, body in held.items()]}

    def list_multipart_uploads(self, **wanted: str) -> Mapping[str, list[Mapping[str, object]]]:
        """None."""
        self._bucket(wanted["Bucket"])
        return {}

    def get_object(self, **wanted: str) -> Mapping[str, object]:
        """The body as a stream."""
        return {"Body": io.BytesIO(self._bucket(wanted["Bucket"])[wanted["Key"]])}

    def get_paginator(self, call: str) -> _Pages:
        """One page."""
        return _Pages(getattr(self, call))

    def _bucket(self, name: str) -> dict[str, bytes]:
        code = self.refuses or ("" if name in self.buckets else "NoSuchBucket")
        if code:
            raise ClientError({"Error": {"Code": code, "Message": "said the store"}}, "Any")
        return self.buckets[name]


class _Pages:
    def __init__(self, call: Callable[..., Mapping[str, list[Mapping[str, object]]]]) -> None:
        self._call = call

    def paginate(self, **wanted: str) -> Iterator[Mapping[str, list[Mapping[str, object]]]]:
        yield self._call(**wanted)


class FakeStore(ObjectStore):
    """An object store whose clients read from memory."""

    def __init__(self, boto: FakeBoto) -> None:
        self._fake = boto

    def client(self, *, read_seconds: float = 10.0, attempts: int = 3) -> S3Client:
        """A client of the same memory."""
        return S3Client(self._fake)


class FakeAgent(Answers):
    """An agent that counted a hundred events, says so while ``talks``, sends all if ``sends_all``."""

    def __init__(self) -> None:
        self.talks, self.sends_all, self.started_ms = True, True, 1_000
        self.node = FakeNode("vector-1", "vector", "127.0.0.1")

    @property
    def answers(self) -> Answers:
        """It answers itself."""
        return self

    def said(self) -> Said:
        """What it counted."""
        if not self.talks:
            raise StackError("it says nothing")
        return Said(scraped=100)

    def asked(self) -> dict[str, int]:
        """What was asked of it."""
        return {"pages": 3}

    def stop(self, seconds: float) -> bool:
        """Whether it sent all it held."""
        return self.sends_all


class FakeAdmin(KafkaAdmin):
    """Administration that only remembers which topics were made."""

    def __init__(self) -> None:
        super().__init__({1: ("broker-1", "127.0.0.1")}, 1)
        self.made: dict[str, tuple[int, int]] = {}

    def create_topics(
        self, names: Sequence[str], *, partitions: int, replication: int, config: Mapping[str, str]
    ) -> None:
        """Remember them."""
        self.made |= dict.fromkeys(names, (partitions, replication))


class FakeSite:
    """The corrected stack with *settings*, with everything in it that ``Hops`` touches.

    Its brokers do not answer unless they are given a ``bootstrap`` address.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str],
        *,
        agent: bool,
        missing: str = "",
        bootstrap: str = "127.0.0.1:1",
        seconds: float = 0.05,
    ) -> None:
        self.flink, self.admin = FakeFlink(), FakeAdmin()
        self.admin.bootstrap = bootstrap
        self.boto = FakeBoto("edge-archive", "edge-metrics")
        self.agent = FakeAgent() if agent else None
        self.directory = RunDirectory.create(folder, "run-1")
        self.log = EventLog(self.directory)
        self.stack = BootedStack(
            nodes={
                node.name: FakeNode(node.name, node.role, node.address)
                for node in read_definition(STACKS, "edge", {}).nodes
            },
            services={"s3-1": FakeStore(self.boto)},
            roles=self.admin,
            logs=self.directory.logs,
            flink=self.flink,
            agent=self.agent,
        )
        definition = read_definition(STACKS, "edge", settings)
        parts = Parts(job=Path("job.jar"), job_sha256="f00d", vector_missing=missing)
        site = Site(definition, STACKS / "edge", self.stack, parts)
        self.hops = Hops(site, self.directory, self.log, source="orders", seconds=seconds)

    def events(self, kind: type[E]) -> list[E]:
        """What was written of one kind, in order."""
        return [event for event in self.directory.read_events() if isinstance(event, kind)]
