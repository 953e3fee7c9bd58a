"""Selectors as JSON: ``{"select": verb, …arguments}``, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TypeAlias

from harness.errors import BadInput, unknown_name
from harness.faults.places import Beside, Place
from harness.faults.selectors import (
    AllBrokers,
    AnotherBrokerThan,
    Broker,
    Clients,
    Controller,
    CoordinatorOf,
    FollowerOf,
    LeaderOf,
    Selector,
    Together,
)

Json: TypeAlias = str | int | float | bool | list["Json"] | dict[str, "Json"] | None


def selector_to_json(selector: Selector) -> dict[str, Json]:
    """*selector* as JSON: ``{"select": verb, …arguments}``."""
    fields = dataclasses.fields(selector)
    arguments = {field.name: _argument_to_json(getattr(selector, field.name)) for field in fields}
    return {"select": selector.verb, **arguments}


def selector_from_json(value: object) -> Selector:
    """The selector that ``selector_to_json`` wrote.

    Raises:
        BadInput: it is none; shows the offending value.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("select"), str):
        raise BadInput(f"expected a selector but got {value!r}", fix='write {"select": "controller"}')
    verb = value["select"]
    if verb not in _MAKERS:
        raise unknown_name("selector", verb, _MAKERS)
    arguments = {str(name): argument for name, argument in value.items() if name != "select"}
    try:
        return _MAKERS[verb](arguments)
    except (KeyError, TypeError) as error:
        raise BadInput(f"the selector {verb} got {arguments!r}", why=f"{error}") from error


def _argument_to_json(value: str | int | Selector | tuple[Selector, ...]) -> Json:
    if isinstance(value, tuple):
        return [selector_to_json(member) for member in value]
    return value if isinstance(value, str | int) else selector_to_json(value)


def _text(arguments: Mapping[str, object], name: str) -> str:
    value = arguments[name]
    if not isinstance(value, str):
        raise TypeError(f"{name}={value!r} is not a name")
    return value


def _number(arguments: Mapping[str, object], name: str) -> int:
    value = arguments[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name}={value!r} is not a whole number")
    return value


def _which(arguments: Mapping[str, object]) -> Broker:
    by_name = isinstance(arguments["which"], str)
    return Broker(_text(arguments, "which") if by_name else _number(arguments, "which"))


def _members(arguments: Mapping[str, object]) -> Together:
    members = arguments["members"]
    if not isinstance(members, list):
        raise TypeError(f"members={members!r} is not a list")
    return Together(tuple(selector_from_json(member) for member in members))


def _partition_of(arguments: Mapping[str, object]) -> tuple[str, int]:
    return _text(arguments, "topic"), _number(arguments, "partition")


_MAKERS: dict[str, Callable[[Mapping[str, object]], Selector]] = {
    LeaderOf.verb: lambda given: LeaderOf(*_partition_of(given)),
    FollowerOf.verb: lambda given: FollowerOf(*_partition_of(given), _number(given, "index")),
    Controller.verb: lambda _: Controller(),
    CoordinatorOf.verb: lambda given: CoordinatorOf(_text(given, "group")),
    Broker.verb: _which,
    AllBrokers.verb: lambda _: AllBrokers(),
    Clients.verb: lambda _: Clients(),
    AnotherBrokerThan.verb: lambda given: AnotherBrokerThan(selector_from_json(given["other"])),
    Together.verb: _members,
    Beside.verb: lambda given: Beside(selector_from_json(given["other"])),
    Place.verb: lambda given: Place(_text(given, "name"), _number(given, "which")),
}
