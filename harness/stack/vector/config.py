"""Vector's configuration as far as the harness reads it, and its programs checked by their own engine.

The file is the user's: Vector reads it as it stands. Here only what a run must know beforehand is
taken from it: which processes are scraped and how often, whether the agent tells about itself, and
every remap program, which is compiled and run on what its inputs emit. That needs no binary.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from harness import vrl
from harness.errors import BadInput

_VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?::?-([^}]*))?\}|\$(\w+)")
_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_TAGS = {"instance": "198.18.0.41:9249", "host": "taskmanager_1", "tm_id": "tm-1"}
_METRIC: Mapping[str, object] = {
    "name": "flink_sample",
    "kind": "absolute",
    "timestamp": _NOON,
    "tags": _TAGS,
}
_SUMMARY = {"count": 7, "sum": 0.0, "quantiles": [{"quantile": 0.5, "value": 1.5}]}
_METRIC_LOGS: tuple[Mapping[str, object], ...] = (
    {**_METRIC, "gauge": {"value": 2.0}},
    {**_METRIC, "gauge": {"value": None}},  # a figure that is no number
    {**_METRIC, "counter": {"value": 17.0}},
    {**_METRIC, "aggregated_summary": _SUMMARY},
)
_LOGS: tuple[Mapping[str, object], ...] = (
    {"message": '{"key": 1, "window": 1767268800000}', "timestamp": _NOON, "source_type": "kafka"},
    {"message": "no JSON at all", "timestamp": _NOON, "source_type": "kafka"},
)
_METRIC_SOURCES = {
    "prometheus_scrape",
    "prometheus_remote_write",
    "internal_metrics",
    "host_metrics",
    "statsd",
}


class Component(BaseModel):
    """One source, transform or sink; keys that the harness does not need are Vector's business."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: str
    inputs: tuple[str, ...] = ()
    source: str = ""
    endpoints: tuple[str, ...] | str = ()
    scrape_interval_secs: float = 15.0


class VectorConfig(BaseModel):
    """A whole configuration."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    data_dir: str = ""
    api: dict[str, object] = {}
    sources: dict[str, Component] = {}
    transforms: dict[str, Component] = {}
    sinks: dict[str, Component] = {}

    def scrapers(self) -> tuple[Component, ...]:
        """The sources that scrape Prometheus pages."""
        return tuple(one for one in self.sources.values() if one.type == "prometheus_scrape")

    def exports_itself(self) -> bool:
        """Whether its own metrics can be scraped."""
        own = {name for name, one in self.sources.items() if one.type == "internal_metrics"}
        exporters = (one for one in self.sinks.values() if one.type == "prometheus_exporter")
        return any(own & set(one.inputs) for one in exporters)


def read_config(text: str, file: str, environment: Mapping[str, str] | None = None) -> VectorConfig:
    """The configuration *text* of *file* (TOML, YAML or JSON by its name), variables filled in.

    Raises:
        BadInput: it is none, in the parser's words.
    """
    filled = fill_in(text, environment or {})
    try:
        raw = tomllib.loads(filled) if file.endswith(".toml") else _other(filled, file)
        return VectorConfig.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{file} is no Vector configuration", why=f"{where}: {first['msg']}") from error
    except (tomllib.TOMLDecodeError, yaml.YAMLError, ValueError) as error:
        raise BadInput(f"{file} cannot be read", why=str(error)) from error


def fill_in(text: str, environment: Mapping[str, str]) -> str:
    """*text* with ``${NAME}``, ``${NAME:-default}`` and ``$NAME`` as Vector fills it; unknown ones stay."""

    def value(found: re.Match[str]) -> str:
        braced, default, bare = found.groups()
        if found.group() == "$$":
            return "$"
        return environment.get(braced or bare, found.group() if default is None else default)

    return _VARIABLE.sub(value, text)


def check_programs(text: str, file: str) -> list[str]:
    """Compile every remap program of the configuration *text* and run it on what its inputs emit.

    Returns:
        One sentence for each program that fails on every sample; Vector would accept it all the same.

    Raises:
        BadInput: a program does not compile; in the engine's words, with the line of *file*.
    """
    flow = _Flow(text, file, read_config(text, file))
    return [said for name in flow.remaps() for said in flow.remarks(name)]


@dataclass(frozen=True)
class _Flow:
    """The programs of one configuration, and what flows into them."""

    text: str
    file: str
    config: VectorConfig

    def remaps(self) -> list[str]:
        return [name for name, one in self.config.transforms.items() if one.type == "remap" and one.source]

    def remarks(self, name: str) -> Iterator[str]:
        program = self._program(name)
        failures = [_failure(program, sample) for sample in self._into(name, ())] if program else []
        if failures and all(failures):
            yield f"{name} ({self._place(name)}) fails on every sample of its input: {failures[0]}"

    def _program(self, name: str) -> vrl.Program | None:
        """The compiled program; None when it needs what only a running Vector has."""
        source = self.config.transforms[name].source
        try:
            return vrl.compile_vrl(source)
        except vrl.Refused as error:
            if any(f"{function}(" in source for function in vrl.ONLY_IN_VECTOR):
                return None
            place = self._place(name, error.line)
            raise BadInput(f"the program of {name} does not compile ({place})", why=error.said) from error

    def _place(self, name: str, line: int = 1) -> str:
        """The *line* of a program as a line of the file; of the program when it is not found there."""
        text = fill_in(self.text, {})
        at = text.find(self.config.transforms[name].source.rstrip("\n"))
        if at < 0:
            return f"{self.file}, line {line} of the program"
        return f"{self.file}:{text.count(chr(10), 0, at) + line}"

    def _into(self, name: str, passed: tuple[str, ...]) -> Iterator[Mapping[str, object]]:
        for given in self.config.transforms[name].inputs:
            if given not in passed:
                yield from self._out_of(given, (*passed, given))

    def _out_of(self, name: str, passed: tuple[str, ...]) -> Iterator[Mapping[str, object]]:
        """What *name* emits: a source by its type, a transform from what flows into it."""
        base = name.partition(".")[0]
        if base in self.config.sources:
            metric = self.config.sources[base].type in _METRIC_SOURCES
            yield from (_METRIC,) if metric else _LOGS
        elif base in self.config.transforms:
            yield from self._transformed(base, passed)

    def _transformed(self, name: str, passed: tuple[str, ...]) -> Iterator[Mapping[str, object]]:
        kind = self.config.transforms[name].type
        if kind == "metric_to_log":
            yield from _METRIC_LOGS
            return
        program = self._program(name) if kind == "remap" else None
        for sample in self._into(name, passed):
            made = _made(program, sample)
            if made is not None:
                yield made


def _failure(program: vrl.Program, sample: Mapping[str, object]) -> str:
    try:
        program.run(sample)
    except vrl.Refused as error:
        return error.said
    return ""


def _made(program: vrl.Program | None, sample: Mapping[str, object]) -> Mapping[str, object] | None:
    """What *program* makes of *sample*: itself without one, or when it fails and goes on as it came."""
    if program is None:
        return sample
    try:
        made = program.run(sample)
    except vrl.Refused:
        return sample
    return made if isinstance(made, dict) else None


def _other(text: str, file: str) -> object:
    return json.loads(text) if file.endswith(".json") else yaml.safe_load(text)
