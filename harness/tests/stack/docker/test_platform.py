"""A stack of containers is refused before anything is made where a port of it is taken."""

from __future__ import annotations

import pytest

from harness import bundle
from harness.errors import BadInput
from harness.stack.definition import read_definition
from harness.stack.docker.images import Images, ProxyImage
from harness.stack.docker.platform import _require_ports, _why_no_proxy

STACKS = bundle.fixtures() / "stacks"


@pytest.mark.parametrize("setting", ["kafka.client_port", "kafka.controller_port", "objects.port"])
def test_a_port_of_the_proxy_is_no_port_of_a_service(setting: str) -> None:
    """Both would listen on the node's address."""
    _require_ports(read_definition(STACKS, "edge", {}))

    with pytest.raises(BadInput, match=f"{setting} 61001 is a port of Toxiproxy here"):
        _require_ports(read_definition(STACKS, "edge", {setting: "61001"}))


def test_why_nobody_can_be_delayed_is_told() -> None:
    """There is no image; or there is, and no proxy stands in front of that node."""
    without = Images({}, ProxyImage(missing="there is no image of Toxiproxy"))

    assert _why_no_proxy(without) == "there is no image of Toxiproxy"
    assert "only brokers and the object store" in _why_no_proxy(Images({}, ProxyImage("toxi:1")))
