"""The command line: `python -m lab EXPERIMENT --out DIR` measures, `python -m lab compare A B` says what changed.

Exit codes: 0 done, 1 failed (a sentence on standard error says why), 2 wrong usage, 130 Ctrl-C. What was measured is
kept in any case.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from lab import compare, load, overhead
from lab.experiment import carry_out, failed
from lab.result import BadResult, read
from server.sources.typewriter import UNITS
from server.transports import TRANSPORTS


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, measure, and say in one sentence what went wrong."""
    parser = command_line()
    given = parser.parse_args(arguments)
    return int(given.act(parser, given))


def _overhead(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    parameters = _parameters(parser, overhead.QUICK if given.quick else overhead.Parameters(), given)
    return carry_out("overhead", _command(), parameters, partial(overhead.overhead, parameters), given.out)


def _load(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    parameters = _parameters(parser, load.Parameters(), given)
    return carry_out("load", _command(), parameters, partial(load.load, parameters), given.out)


def _compare(_parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    try:
        Console().print(compare.table(compare.compare(read(given.a), read(given.b))))
    except (BadResult, compare.Incomparable) as error:
        return failed(str(error))
    return 0


def _parameters(parser: argparse.ArgumentParser, default: Any, given: argparse.Namespace) -> Any:
    """The default with every flag that was given."""
    flags = {name: value for name in _names(default) if (value := getattr(given, name, None)) is not None}
    try:
        return replace(default, **{name: tuple(v) if isinstance(v, list) else v for name, v in flags.items()})
    except ValueError as error:
        return parser.error(str(error))


def _names(parameters: Any) -> list[str]:
    return [field.name for field in fields(parameters)]


def _command() -> str:
    return shlex.join(["python", "-m", "lab", *sys.argv[1:]])


def command_line() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="python -m lab", description="Measure what each transport costs, on this machine, and write a report."
    )
    kinds = parser.add_subparsers(required=True, metavar="EXPERIMENT")

    alone = kinds.add_parser(
        "overhead", help="bytes, requests, lag and smoothness of one reader; CPU and memory of some"
    )
    alone.set_defaults(act=_overhead)
    alone.add_argument("--quick", action="store_true", help="short answers, no CPU and memory: less than a minute")
    _add(alone, "--tokens", int, "tokens of an answer")
    _add(alone, "--readers", int, "crowd in which CPU and memory are measured; 0 leaves them out")
    _add(alone, "--poll-ms", int, "intervals of polling", many=True)
    _add(alone, "--token-ms", float, "milliseconds between tokens", many=True)
    _add(alone, "--unit", _one_of(UNITS), f"what a token is: {', '.join(UNITS)}", many=True)
    _add(alone, "--cookie-bytes", int, "length of the Cookie header on every request: 0 500 2000", many=True)
    _add(alone, "--tls", _switch, "encryption: off, on, or both (off on)", many=True)
    _add(alone, "--deflate", _switch, "compression of WebSocket messages; on measures websocket alone", many=True)

    crowd = kinds.add_parser("load", help="CPU, memory, lag and capacity of many readers, each with its own answer")
    crowd.set_defaults(act=_load)
    _add(crowd, "--readers", int, "how many: 1 100 1000", many=True)
    _add(crowd, "--token-ms", float, "milliseconds between tokens")
    _add(crowd, "--poll-ms", int, "interval of polling")
    _add(crowd, "--processes", int, "processes that read; more only where there are more cores")
    _add(crowd, "--objective-ms", float, "lag that 95 of 100 tokens must keep to")

    for experiment in (alone, crowd):
        _add(experiment, "--transports", _one_of(TRANSPORTS), f"which: {', '.join(TRANSPORTS)}", many=True)
        _add(experiment, "--runs", int, "how often each is measured")
        _add(experiment, "--seed", int, "of the order of the runs")
        experiment.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="default: %(default)s")

    two = kinds.add_parser("compare", help="what changed between two results, beyond noise")
    two.set_defaults(act=_compare)
    two.add_argument("a", type=Path, help="a result.json, or its folder")
    two.add_argument("b", type=Path, help="another one")
    return parser


def _add(
    parser: argparse.ArgumentParser, flag: str, kind: Callable[[str], Any], meaning: str, many: bool = False
) -> None:
    parser.add_argument(flag, type=kind, nargs="+" if many else None, metavar="X", help=meaning)


def _one_of(names: Collection[str]) -> Callable[[str], str]:
    def name(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"there is no {text!r}; there are {', '.join(names)}")
        return text

    return name


def _switch(text: str) -> bool:
    if text not in ("off", "on"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither off nor on")
    return text == "on"
