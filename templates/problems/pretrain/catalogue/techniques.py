"""Reads the catalogue and applies techniques to a copy of code/, as the catalogue ideator does."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent
PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


class Conflict(Exception):  # noqa: N818
    """An edit's place is not there, or not the only one."""


@dataclass(frozen=True)
class Technique:
    """One file of the catalogue."""

    name: str
    title: str
    category: str
    kind: str
    hypothesis: str
    source: str
    knobs: list[dict[str, Any]]
    edits: list[dict[str, str]]

    def defaults(self) -> dict[str, Any]:
        return {knob["name"]: knob["default"] for knob in self.knobs}

    def variants(self) -> list[dict[str, Any]]:
        """The defaults, then every other value of each knob with the rest at their defaults."""
        others = [
            {**self.defaults(), knob["name"]: value}
            for knob in self.knobs
            for value in knob["values"]
            if value != knob["default"]
        ]
        return [self.defaults(), *others]

    def apply(self, code: Path, values: Mapping[str, Any] | None = None) -> None:
        """Edit the files under `code`; raises Conflict and may then have edited some."""
        chosen = {**self.defaults(), **(values or {})}
        for edit in self.edits:
            path = code / edit["path"]
            if "write" in edit:
                if path.exists():
                    raise Conflict(f"{self.name}: {edit['path']} exists already")
                path.write_text(rendered(edit["write"], chosen))
                continue
            text = path.read_text()
            if (found := text.count(edit["find"])) != 1:
                raise Conflict(f"{self.name}: find text occurs {found} times in {edit['path']}")
            path.write_text(text.replace(edit["find"], rendered(edit["replace"], chosen)))


def rendered(text: str, values: Mapping[str, Any]) -> str:
    """Replace each {{knob}}; an unknown one is a KeyError."""
    return PLACEHOLDER.sub(lambda match: str(values[match[1]]), text)


def load_all() -> list[Technique]:
    """The catalogue in the order of names."""
    return [Technique(**yaml.safe_load(path.read_text())) for path in sorted(FOLDER.glob("*.yaml"))]
