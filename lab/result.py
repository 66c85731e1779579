"""The result document: what an experiment writes to `result.json`, and everything else reads. docs/result.md lists it.

The one thing to notice: the file is replaced as a whole after every run, never written in place. Whoever opens it, or
pulls the plug, finds the last complete state.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import NoneType
from typing import Any

from lab.security.probe import OUTCOMES

SCHEMA = "pushlab-result/1"
FILE = "result.json"
EVIDENCE = "evidence"
"""The folder beside it, with the files that rows name; where there is one already, a number follows."""

CONDITIONS = ("poll_ms", "token_ms", "unit", "cookie_bytes", "tls", "deflate")
"""What a run was measured under, apart from its transport and the number of readers."""

Row = dict[str, Any]

Kinds = Mapping[str, tuple[type, ...]]

KINDS: Kinds = {
    **dict.fromkeys(("variant", "transport", "unit"), (str, NoneType)),
    **dict.fromkeys(("readers", "run", "token_ms", "cookie_bytes", "poll_ms"), (int, float, NoneType)),
    **dict.fromkeys(("tls", "deflate"), (bool, NoneType)),
}
"""What those keys of a row hold by which rows are grouped and told apart."""

ATTACK: Kinds = {
    **dict.fromkeys(("probe", "transport", "defence", "off", "on"), (str,)),
    **dict.fromkeys(("off_says", "on_says", "why", "broken"), (str, NoneType)),
    **dict.fromkeys(("off_figures", "on_figures", "evidence"), (dict, NoneType)),
    "files": (list, NoneType),
}
"""What a row of the security experiment holds. Nothing in it could be grouped: it is what was seen of one attack."""

OBSERVATION: Kinds = {
    **dict.fromkeys(("id", "says"), (str,)),
    **dict.fromkeys(("library", "version"), (str, NoneType)),
    "holds": (bool, NoneType),
}
"""What an observation holds."""

SAMPLE: Kinds = {
    **dict.fromkeys(("at_s", "memory_bytes"), (int, float)),
    **dict.fromkeys(
        ("tasks", "sockets", "open_files", "reader_sockets", "relayed", "readers", "typing", "answers"), (int,)
    ),
    **dict.fromkeys(("cuts", "cpu_s"), (dict,)),
}
"""What a sample of a soak holds."""

BESIDES = {"observations": "observation", "samples": "sample"}
"""What some documents have beside their rows."""


class BadResult(Exception):
    """A file that cannot be used as a result, and what to do about it."""


@dataclass(frozen=True)
class Key:
    """What the runs of one group have in common."""

    variant: str
    transport: str
    readers: int
    token_ms: float
    unit: str
    cookie_bytes: int
    tls: bool
    deflate: bool


def document(experiment: str, command: str, environment: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """A document without rows yet. Whoever fills it sets `complete` at the end, or says in `note` why it is not."""
    return {
        "schema": SCHEMA,
        "experiment": experiment,
        "command": command,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "complete": False,
        "note": None,
        "environment": environment,
        "parameters": parameters,
        "rows": [],
        "verdicts": [],
    }


def write(folder: Path, document: dict[str, Any]) -> Path:
    """Put `result.json` into `folder`. Raises OSError when that cannot be done; an older file is then untouched."""
    text = _json(document)
    folder.mkdir(parents=True, exist_ok=True)
    return replace_by(folder / FILE, text)


def replace_by(path: Path, text: str) -> Path:
    """Put a whole file where `path` is, or nothing. Raises OSError."""
    unfinished = path.with_name(f"{path.name}.part")
    try:
        unfinished.write_text(text, encoding="utf-8")
        return unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise


def _json(document: dict[str, Any]) -> str:
    """JSON with one line for each row, so that people and `diff` see them one by one. NaN is no JSON: ValueError."""
    line = partial(json.dumps, ensure_ascii=False, allow_nan=False)
    parts = []
    for key, value in document.items():
        text = "[\n" + ",\n".join(map(line, value)) + "\n]" if isinstance(value, list) else line(value)
        parts.append(f"{line(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def read(path: Path) -> dict[str, Any]:
    """The document in a file, or in the `result.json` of a folder. Raises BadResult."""
    path = path / FILE if path.is_dir() else path
    try:
        found = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except FileNotFoundError:
        raise BadResult(f"There is no {path}. Measure first: `python -m lab --help` shows how.") from None
    except OSError as error:
        raise BadResult(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise BadResult(f"{path} is not JSON. Give it the `{FILE}` that `python -m lab` wrote.") from None
    if problem := _problem(found):
        raise BadResult(f"{path} {problem}")
    return dict(found)


def _refuse(constant: str) -> None:
    """Python reads NaN and Infinity, which no JSON has."""
    raise ValueError(constant)


def _problem(found: Any) -> str | None:
    """What keeps it from being a result of this version, as the rest of a sentence."""
    schema = found.get("schema") if isinstance(found, dict) else None
    name, _, version = str(schema).partition("/")
    if name != SCHEMA.partition("/")[0]:
        return f"is not a result of this lab. Give it the `{FILE}` that `python -m lab` wrote."
    if schema != SCHEMA:
        return f"has version {version} of the schema, and this lab reads {SCHEMA}. Use the lab that wrote it."
    for key, empty in document("", "", {}, {}).items():
        if key not in found or (isinstance(empty, (list, dict)) and not isinstance(found[key], type(empty))):
            return f"is damaged: its `{key}` is missing or not what it should be. Measure again."
    for name in BESIDES:
        if not isinstance(found.get(name, []), list):
            return f"is damaged: its `{name}` are not what they should be. Measure again."
    for name, kind in ({"rows": "row"} | BESIDES).items():
        for number, entry in enumerate(found.get(name, []), 1):
            if damage := _damage(entry, f"{kind} {number}", *_form(entry, kind, found["experiment"])):
                return f"is damaged: {damage}. Measure again."
    return None


def _form(entry: Any, kind: str, experiment: Any) -> tuple[set[str], Kinds]:
    """Which keys an observation, a sample, an attack, an injected fault and a run must have, and what they hold."""
    if kind == "observation":
        return {"id", "says"}, OBSERVATION
    if kind == "sample":
        return set(SAMPLE), SAMPLE
    if experiment == "security":
        return {"probe", "transport", "defence", "off", "on"}, ATTACK
    if experiment == "soak":
        return {"transport"}, KINDS
    if isinstance(entry, dict) and "fault" in entry:
        return {"transport"}, KINDS
    return {part.name for part in fields(Key)}, KINDS


def _damage(entry: Any, where: str, needed: set[str], kinds: Kinds) -> str | None:
    """What is wrong with an entry, as a part of a sentence."""
    if not isinstance(entry, dict):
        return f"{where} is no object"
    if missing := needed - entry.keys():
        return f"{where} has no {' and no '.join(sorted(missing))}"
    for name, allowed in kinds.items():
        if name in entry and not (isinstance(entry[name], allowed) and _sound(name, entry[name])):
            return f"{name} of {where} is {str(entry[name])[:40]!r}"
    return None


def _sound(name: str, value: Any) -> bool:
    """Whether what is in a part of an attack's row is what it should be."""
    if name in ("off", "on"):
        return value in OUTCOMES
    if name.endswith("_figures"):
        return all(isinstance(figure, (int, float, NoneType)) for figure in (value or {}).values())
    return name != "files" or all(isinstance(file, str) for file in value or ())


def groups(rows: Iterable[Row]) -> dict[Key, list[Row]]:
    """The rows by what they have in common, in the order of the first of each; void ones are left out."""
    found: dict[Key, list[Row]] = {}
    for row in rows:
        if not row.get("void"):
            shared: dict[str, Any] = {part.name: row.get(part.name) for part in fields(Key)}
            found.setdefault(Key(**shared), []).append(row)
    return found


def values(rows: Iterable[Row], figure: str) -> list[float]:
    """A figure of each row that has it. `lag_ms.p95` is the `p95` of its `lag_ms`."""
    found = []
    for row in rows:
        value: Any = row
        for name in figure.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, (int, float)):
            found.append(float(value))
    return found
