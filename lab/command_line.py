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

from lab import compare, load, overhead, record
from lab.experiment import carry_out, failed
from lab.faults import experiment as faults
from lab.faults.kinds import FAULTS
from lab.peers import experiment as peers
from lab.peers.catalogue import PEERS
from lab.relay import command as relay
from lab.result import BadResult, read
from lab.security import experiment as security
from lab.security.gallery import show as gallery
from lab.security.probes import PROBES
from lab.soak import experiment as soak
from lab.stream_or_not import experiment as stream_or_not
from lab.stream_or_not.ways import WAYS
from server.defences import DEFENCES
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


def _security(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    if given.show:
        return gallery.main()
    parameters = _parameters(parser, security.Parameters(), given)
    measure = partial(security.security, parameters, given.out)
    return carry_out("security", _command(), parameters, measure, given.out)


def _faults(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    parameters = _parameters(parser, faults.Parameters(), given)
    return carry_out("faults", _command(), parameters, partial(faults.faults, parameters), given.out)


def _soak(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    parameters = _parameters(parser, soak.Parameters(), given)
    return carry_out("soak", _command(), parameters, partial(soak.soak, parameters), given.out)


def _peers(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    parameters = _parameters(parser, peers.Parameters(), given)
    return carry_out("peers", _command(), parameters, partial(peers.peers, parameters), given.out)


def _stream_or_not(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    parameters = _parameters(parser, stream_or_not.Parameters(), given)
    if parameters.real and given.askers is None:
        parameters = replace(parameters, askers=(1,))  # a crowd would wait in its queue, and measure that
    measure = partial(stream_or_not.stream_or_not, parameters)
    return carry_out("stream-or-not", _command(), parameters, measure, given.out)


def _relay(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    return relay.run(parser, given, failed)


def _record(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    return record.run(parser, given, failed)


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
    _add(alone, overhead.Parameters(), "--tokens", int, "tokens of an answer")
    _add(
        alone, overhead.Parameters(), "--readers", int, "crowd in which CPU and memory are measured; 0 leaves them out"
    )
    _add(alone, overhead.Parameters(), "--poll-ms", int, "intervals of polling", many=True)
    _add(alone, overhead.Parameters(), "--token-ms", float, "milliseconds between tokens", many=True)
    _add(alone, overhead.Parameters(), "--unit", _one_of(UNITS), f"what a token is: {', '.join(UNITS)}", many=True)
    _add(
        alone,
        overhead.Parameters(),
        "--cookie-bytes",
        int,
        "length of the Cookie header on every request: 0 500 2000",
        many=True,
    )
    _add(alone, overhead.Parameters(), "--tls", _switch, "encryption: off, on, or both (off on)", many=True)
    _add(
        alone,
        overhead.Parameters(),
        "--deflate",
        _switch,
        "compression of WebSocket messages; on measures websocket alone",
        many=True,
    )

    crowd = kinds.add_parser("load", help="CPU, memory, lag and capacity of many readers, each with its own answer")
    crowd.set_defaults(act=_load)
    _add(crowd, load.Parameters(), "--readers", int, "how many: 1 100 1000", many=True)
    _add(crowd, load.Parameters(), "--token-ms", float, "milliseconds between tokens")
    _add(crowd, load.Parameters(), "--poll-ms", int, "interval of polling")
    _add(crowd, load.Parameters(), "--processes", int, "processes that read; more only where there are more cores")
    _add(crowd, load.Parameters(), "--objective-ms", float, "lag that 95 of 100 tokens must keep to")

    attacks = kinds.add_parser("security", help="attacks on every transport, with each defence taken away and in place")
    attacks.set_defaults(act=_security)
    _add_some(attacks, "--probe", PROBES, "attacks to try")
    _add_some(attacks, "--transport", TRANSPORTS, "transports to try them on")
    _add_some(attacks, "--defence", DEFENCES, "defences to judge")
    attacks.add_argument(
        "--show", action="store_true", help="serve them to be played in a browser, side by side, for 15 minutes"
    )
    _add_out(attacks)

    broken = kinds.add_parser(
        "faults", help="every fault of a network on every transport, and what became of each token"
    )
    broken.set_defaults(act=_faults)
    _add_some(broken, "--fault", FAULTS, "faults to try")
    _add_some(broken, "--transport", TRANSPORTS, "transports to try them on")
    _add(broken, faults.Parameters(), "--token-ms", float, "milliseconds between tokens")
    _add_out(broken)

    long = kinds.add_parser(
        "soak", help="many readers, cut off at random for minutes: is anything lost, or left behind?"
    )
    long.set_defaults(act=_soak)
    _add(long, soak.Parameters(), "--readers", int, "how many, each with one answer after the other")
    _add(long, soak.Parameters(), "--minutes", float, "how long answers are begun; the last ones are read to their end")
    _add(long, soak.Parameters(), "--token-ms", float, "milliseconds between tokens, and between two polls")
    _add(long, soak.Parameters(), "--cut-every", int, "bytes down each of two relays between cuts, on average")
    _add_some(long, "--transport", TRANSPORTS, "transports to read over, in turn")
    _add(long, soak.Parameters(), "--seed", int, "of the texts, and of who leaves when")
    _add_out(long)

    rivals = kinds.add_parser(
        "peers", help="the same answers from other servers: CPU, memory and lag beside this one's"
    )
    rivals.set_defaults(act=_peers)
    _add_some(rivals, "--peer", PEERS, "servers to measure")
    _add_some(rivals, "--transport", peers.STREAMS_AND_POLLS, "transports to measure them on")
    _add(rivals, peers.Parameters(), "--crowds", str, "readers, an x, and milliseconds between tokens", many=True)
    _add(rivals, peers.Parameters(), "--runs", int, "how often each is measured")
    _add(rivals, peers.Parameters(), "--seconds", float, "of typing in a run")
    _add(rivals, peers.Parameters(), "--poll-ms", int, "interval of polling")
    _add(rivals, peers.Parameters(), "--seed", int, "of the order of the runs, and of when tokens are due")
    _add_out(rivals)

    either = kinds.add_parser(
        "stream-or-not", help="the same question streamed and not, by OpenAI's SDK and by ours: is the article right?"
    )
    either.set_defaults(act=_stream_or_not)
    asking = stream_or_not.Parameters()
    _add(either, asking, "--model", str, "a scripted answer, smollm2, or a model of an API")
    _add(either, asking, "--base-url", str, "of that API; its key is OPENAI_API_KEY")
    _add(either, asking, "--prompt", str, "what to ask")
    _add(either, asking, "--askers", int, "how many ask at once; a real model is asked by one", many=True)
    _add_some(either, "--ways", WAYS, "ways to ask")
    _add(either, asking, "--runs", int, "how often each is measured")
    _add(either, asking, "--seed", int, "of the order of the runs, and of when a crowd asks")
    _add_out(either)

    for experiment, default in ((alone, overhead.Parameters()), (crowd, load.Parameters())):
        _add(experiment, default, "--transports", _one_of(TRANSPORTS), "which of them to measure", many=True)
        _add(experiment, default, "--runs", int, "how often each is measured")
        _add(experiment, default, "--seed", int, "of the order of the runs")
        _add_out(experiment)

    network = kinds.add_parser("relay", help="a bad network in front of a running server, to click through")
    network.set_defaults(act=_relay)
    relay.add_flags(network)

    trace = kinds.add_parser("record", help="a real answer with the times of its tokens, to be replayed")
    trace.set_defaults(act=_record)
    record.add_flags(trace)

    two = kinds.add_parser("compare", help="what changed between two results, beyond noise")
    two.set_defaults(act=_compare)
    two.add_argument("a", type=Path, help="a result.json, or its folder")
    two.add_argument("b", type=Path, help="another one")
    return parser


def _add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="default: %(default)s")


def _add_some(parser: argparse.ArgumentParser, flag: str, names: Collection[str], meaning: str) -> None:
    """A flag that chooses some of these names."""
    parser.add_argument(
        flag, type=_one_of(names), nargs="+", metavar="X", help=f"{meaning}: {', '.join(names)} (default: all)"
    )


def _shown(value: Any) -> str:
    """A default as it would be typed."""
    if isinstance(value, tuple):
        return " ".join(map(_shown, value))
    return (
        {True: "on", False: "off"}[value]
        if isinstance(value, bool)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _add(
    parser: argparse.ArgumentParser,
    default: Any,
    flag: str,
    kind: Callable[[str], Any],
    meaning: str,
    many: bool = False,
) -> None:
    """A flag that is a parameter. Left out, it is None: then the experiment's own default holds."""
    shown = _shown(getattr(default, flag.lstrip("-").replace("-", "_")))
    parser.add_argument(flag, type=kind, nargs="+" if many else None, metavar="X", help=f"{meaning} (default: {shown})")


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
