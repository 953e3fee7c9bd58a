"""What happens outside the enclosure: settings, names, the lock."""

from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.launch import machine_lock, new_run_id, parse_settings, prepare
from harness.stack.namespaces import enclosure


def test_settings_are_split_at_the_first_sign() -> None:
    """A value may hold an equals sign, a key may not."""
    assert parse_settings(["kafka.version=3.9.1", "a.b=c=d"]) == {"kafka.version": "3.9.1", "a.b": "c=d"}


@pytest.mark.parametrize("given", ["kafka.version", "=3.9.1", ""])
def test_a_setting_without_key_or_sign_is_refused(given: str) -> None:
    """The refusal shows what was typed."""
    with pytest.raises(BadInput, match="is not KEY=VALUE"):
        parse_settings([given])


def test_a_run_id_is_a_plain_name() -> None:
    """It sorts by time, says what ran, and is a file name whatever the scenario is called."""
    assert new_run_id("Two Brokers/Killed").split("-", 2)[2].startswith("two-brokers-killed-")


def test_a_second_run_on_the_machine_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal names the first one; afterwards the machine is free again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with (
        machine_lock("first-run"),
        pytest.raises(BadInput, match="first-run, pid"),
        machine_lock("second-run"),
    ):
        pass
    with machine_lock("third-run"):
        pass


@pytest.mark.parametrize("version", ["3.5.1", "3.9.1"])
def test_every_locked_version_needs_no_code(version: str) -> None:
    """A version is a lock: both have jars, with Kafka's own among them."""
    jars = prepare("edge-kafka", {"kafka.version": version}).jars["kafka"]

    assert f"org.apache.kafka:kafka_2.13:{version}" in [jar.coordinates for jar in jars]


def test_in_somebodys_cluster_a_toxiproxy_is_looked_for_in_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path need not be on the user's machine; in the pod it has to be."""
    named = {"toxiproxy.binary": "/opt/toxiproxy-server"}

    assert prepare("edge-kafka", named, "context:staging").definition.toxiproxy.binary == "toxiproxy-server"
    for platform, inside in (("kind", "0"), ("context:staging", "1")):
        monkeypatch.setenv(enclosure.INSIDE, inside)
        with pytest.raises(BadInput, match=r"toxiproxy\.binary '/opt/toxiproxy-server' is not a program"):
            prepare("edge-kafka", named, platform)


def test_nodes_ports_lead_nowhere_in_somebodys_cluster() -> None:
    """The load's clients are pods there: refused before anything is sent, with the reason."""
    through = {"load.through": "nodeport"}
    with pytest.raises(BadInput, match=r"cannot come in through node ports there: .*--platform kind"):
        prepare("edge-kafka", through, "context:staging")

    assert prepare("edge-kafka", through, "kind").definition.load.through == "nodeport"
