"""The way to an API server: a kubeconfig's text, a context by name, or the account of the pod that we are in.

Beside ``harness.stack.kubernetes.api`` the one module that imports ``kubernetes``. Here lies what is no
resource: clients, the streams of commands in pods, and logs that are followed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import kubernetes
import urllib3
import yaml
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException
from kubernetes.stream import stream

from harness.errors import BadInput, MissingAbility, StackError, unknown_name
from harness.stack.kubernetes.lines import Channel

FAILURES = (ApiException, urllib3.exceptions.HTTPError)
_REACHED_S = 8.0
FORBIDDEN = 403
_FILE = "~/.kube/config"
_RBAC = "harness rbac SCENARIO --platform context:NAME prints the Role that allows it"


@dataclass(frozen=True, slots=True)
class Context:
    """A context of the user's kubeconfig (``KUBECONFIG``, else ``~/.kube/config``), by name."""

    name: str


@dataclass(frozen=True, slots=True)
class OwnAccount:
    """The service account of the pod that this process runs in."""


class Refused(StackError):
    """The API server said no; ``status`` is HTTP's: 403 forbidden, 404 not there, 429 a disruption budget."""

    def __init__(self, what: str, error: Exception) -> None:
        self.status = _status(error)
        super().__init__(what, why=words_of(error), fix=_RBAC if self.status == FORBIDDEN else "")


Access: TypeAlias = str | Context | OwnAccount
"""How to get in; a string is the text of a kubeconfig."""


def connected(access: Access) -> Any:
    """A new client.

    Raises:
        BadInput: there is no such context, or no kubeconfig.
        MissingAbility: the credentials cannot be used.
    """
    try:
        if isinstance(access, Context):
            files = _files_with(access.name)
            return kubernetes.config.new_client_from_config(files, access.name)  # type: ignore[no-untyped-call]
        if isinstance(access, OwnAccount):
            configuration = kubernetes.client.Configuration()
            kubernetes.config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            return kubernetes.client.ApiClient(configuration)
        return kubernetes.config.new_client_from_config_dict(yaml.safe_load(access))  # type: ignore[no-untyped-call]
    except (ConfigException, OSError) as error:
        raise MissingAbility("the credentials for the cluster cannot be used", why=str(error)) from error


def server_of(access: Context) -> str:
    """The URL of the context's API server; nothing is sent there.

    Raises:
        BadInput: there is no such context, or no kubeconfig.
    """
    return str(connected(access).configuration.host)


def reached(access: Context) -> str:
    """The URL of the context's API server, once it has answered.

    Raises:
        BadInput: there is no such context, or no kubeconfig.
        MissingAbility: it cannot be reached, or knows us not; said within seconds.
    """
    client = connected(access)
    client.configuration.retries = False
    probe = kubernetes.client.ApiClient(client.configuration)
    server = str(client.configuration.host)
    try:
        kubernetes.client.VersionApi(probe).get_code(_request_timeout=_REACHED_S)
    except urllib3.exceptions.HTTPError as error:
        why = f"{server}: {_shortly(error)}"
        raise MissingAbility(f"context {access.name} cannot be reached", why=why) from error
    except ApiException as error:
        why = f"{server}: {words_of(error)}"
        fix = f"renew its credentials; kubectl --context {access.name} version tells when they hold"
        raise MissingAbility(f"context {access.name} does not let us in", why=why, fix=fix) from error
    return server


def exec_stream(
    access: Access, namespace: str, pod: str, argv: Sequence[str], *, binary: bool = False
) -> Channel:
    """A command in *pod*: its standard input, output and errors.

    Raises:
        StackError: the cluster refuses.
    """
    # stream() takes the client's own call away while it connects: each gets a client to itself.
    core = kubernetes.client.CoreV1Api(connected(access))
    try:
        opened = stream(
            core.connect_get_namespaced_pod_exec,
            pod,
            namespace,
            command=list(argv),
            stdin=True,
            stdout=True,
            stderr=True,
            tty=False,
            binary=binary,
            _preload_content=False,
        )
    except FAILURES as error:
        raise Refused(f"{argv[0]} could not be run in pod {pod}", error) from error
    return cast("Channel", opened)


def followed(access: Access, namespace: str, pod: str) -> Iterator[bytes]:
    """The log of *pod* from its beginning, piece by piece, until the pod or the connection ends.

    Raises:
        StackError: the cluster refuses, or the connection broke.
    """
    core = kubernetes.client.CoreV1Api(connected(access))
    try:
        log: Any = core.read_namespaced_pod_log(pod, namespace, follow=True, _preload_content=False)
        yield from log.stream(4096)
    except FAILURES as error:
        raise Refused(f"the log of pod {pod} could not be followed", error) from error


def words_of(error: Exception) -> str:
    """The API server's own words."""
    if not isinstance(error, ApiException):
        return str(error)
    body = error.body or _handshake(error)[1]
    try:
        return str(json.loads(body).get("message", error.reason)) if body else str(error)
    except ValueError:
        return str(error.reason)


def _status(error: Exception) -> int:
    """HTTP's, also where it was told in a websocket's handshake; 0: there was no answer."""
    return int(error.status or _handshake(error)[0]) if isinstance(error, ApiException) else 0


def _handshake(error: ApiException) -> tuple[int, str]:
    """The status and the body that the websocket client has put into its own words."""
    found = re.match(r"Handshake status (\d+) .* -\+-\+- (.*)", str(error.reason), re.DOTALL)
    return (int(found[1]), found[2]) if found else (0, "")


def _files_with(context: str) -> str:
    """The kubeconfig, as the client takes it: it reads the variable once, long before."""
    places = [Path(each).expanduser() for each in os.environ.get("KUBECONFIG", _FILE).split(os.pathsep)]
    files = [place for place in places if place.is_file()]
    if not files:
        told = ", ".join(map(str, places))
        raise BadInput(f"there is no kubeconfig for context {context}", why=told, fix="set KUBECONFIG")
    names = [name for each in files for name in _contexts(each)]
    if context not in names:
        raise unknown_name("context", context, names)
    return os.pathsep.join(map(str, files))


def _contexts(path: Path) -> list[str]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return [str(each["name"]) for each in found.get("contexts") or []]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(f"the kubeconfig {path} cannot be read", why=str(error)) from error


def _shortly(error: Exception) -> str:
    """The reason inside a connection's error, which repeats the address around it."""
    reason = getattr(error, "reason", None) or error
    text = str(reason)
    return text.rpartition(": ")[2] if ": " in text else text
