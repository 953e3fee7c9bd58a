"""A schedule: which faults at which seconds, drawn from a seed, saved, and replayed.

A schedule is plain data and its own JSON file, so a run that found something can be
run again without the seed, on another version of the harness. ``shrunk`` gives the
smaller schedules to try when looking for the fault that mattered.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BadInput
from harness.faults.selector_json import Json
from harness.faults.spec import FaultSpec
from harness.seeds import stream

FORMAT = "edge-harness/schedule/1"


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault of a schedule: in force from ``at_seconds`` of the disturbance for ``hold_seconds``."""

    at_seconds: float
    spec: FaultSpec
    hold_seconds: float

    def __post_init__(self) -> None:
        for name, value in (("at_seconds", self.at_seconds), ("hold_seconds", self.hold_seconds)):
            if not (math.isfinite(value) and value >= 0):
                raise BadInput(f"{self.spec.name} got {name}={value:g}", fix="give seconds from 0 on")


@dataclass(frozen=True, slots=True)
class Schedule:
    """Faults in the order of their times."""

    faults: tuple[Planned, ...]

    def __post_init__(self) -> None:
        if list(self.faults) != sorted(self.faults, key=lambda fault: fault.at_seconds):
            raise BadInput("the faults of a schedule are not in the order of their times", fix="sort them")

    @property
    def seconds(self) -> float:
        """When the last fault is healed."""
        return max((fault.at_seconds + fault.hold_seconds for fault in self.faults), default=0.0)

    def to_json(self) -> dict[str, Json]:
        """The schedule as JSON."""
        return {"format": FORMAT, "faults": [_planned_to_json(fault) for fault in self.faults]}

    @classmethod
    def from_json(cls, value: object) -> Schedule:
        """The schedule that ``to_json`` wrote.

        Raises:
            BadInput: it is none; shows the offending value.
        """
        if not isinstance(value, Mapping) or value.get("format") != FORMAT:
            raise BadInput("this is not a schedule", why=f'"format" is not {FORMAT!r}')
        faults = value.get("faults")
        if not isinstance(faults, list):
            raise BadInput(f"expected a list of faults but got {faults!r}")
        return cls(tuple(_planned_from_json(fault) for fault in faults))

    def save(self, path: Path) -> None:
        """Write the schedule to *path*."""
        path.write_text(json.dumps(self.to_json(), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Schedule:
        """Read the schedule at *path*.

        Raises:
            BadInput: there is none, or it is not a schedule.
        """
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise BadInput(f"cannot read the schedule {path}", why=str(error)) from error


def draw(
    seed: int,
    choices: Sequence[FaultSpec],
    *,
    count: int,
    hold_seconds: tuple[float, float],
    rest_seconds: tuple[float, float],
) -> Schedule:
    """*count* of *choices*, one after the other; equal arguments give an equal schedule on any machine.

    Each is held for, and followed by a rest of, a time drawn evenly from the given range.
    """
    if not choices:
        raise BadInput("a schedule needs faults to choose from")
    chance = stream(seed, "schedule")
    planned: list[Planned] = []
    at = 0.0
    for _ in range(count):
        at = round(at + chance.uniform(*rest_seconds), 3)
        hold = round(chance.uniform(*hold_seconds), 3)
        planned.append(Planned(at, chance.choice(choices), hold))
        at += hold
    return Schedule(tuple(planned))


def shrunk(schedule: Schedule) -> Iterator[Schedule]:
    """Smaller schedules, the smallest first: each half, then all but one fault, at unchanged times."""
    faults = schedule.faults
    middle = len(faults) // 2
    if middle:
        yield Schedule(faults[:middle])
        yield Schedule(faults[middle:])
    if len(faults) > 2:
        for left_out in range(len(faults)):
            yield Schedule(faults[:left_out] + faults[left_out + 1 :])


def _planned_to_json(fault: Planned) -> Json:
    return {
        "at_seconds": fault.at_seconds,
        "fault": fault.spec.to_json(),
        "hold_seconds": fault.hold_seconds,
    }


def _planned_from_json(value: object) -> Planned:
    if not isinstance(value, Mapping) or set(value) != {"at_seconds", "fault", "hold_seconds"}:
        raise BadInput(f"expected at_seconds, fault and hold_seconds but got {value!r}")
    times = value["at_seconds"], value["hold_seconds"]
    if not all(isinstance(time, int | float) and not isinstance(time, bool) for time in times):
        raise BadInput(f"expected seconds as numbers but got {times!r}")
    return Planned(times[0], FaultSpec.from_json(value["fault"]), times[1])
