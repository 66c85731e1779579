"""The report of the security experiment: the matrix of attacks first, and for each cell what there was to see.

The one thing to notice: all of it is shown as text. Half was written by attackers, for a browser to obey.
"""

import re
from pathlib import Path
from typing import Any

from lab.report import attacks
from lab.report.costs import both, costs, labelled
from lab.report.evidence import files, told
from lab.report.frame import render
from lab.report.headline import Document
from lab.report.leak_charts import charts

CHAPTERS = {
    "leak": (
        "What the sizes of encrypted records tell",
        "Everybody on the way sees how long each record is. Shown is the mutual information between that and the "
        "length of the token in it, less what chance alone would show. At 0 the attacker may as well guess.",
    ),
    "price": (
        "What it costs to hide them",
        "The same leak over the bytes of a token: down and left is better. A defence that delays tokens pays in time, "
        "which is in the table above.",
    ),
}
"""Of each chart: what is seen, and how to read it."""


def report(document: Document, folder: Path) -> str:
    """The HTML of any result, however little was tried; `folder` has the files that it names."""
    drawn = charts(document)
    return render(
        "security.html.jinja",
        document,
        attacks.headlines(document),
        attacks.counted(document),
        environment=document["environment"] | versions(document),
        chapters=[(name, *CHAPTERS[name], drawn[name]) for name in CHAPTERS if name in drawn],
        families=attacks.families(document),
        transports=attacks.transports(document),
        untried=attacks.untried(document),
        left=attacks.left(document),
        costs=costs(document),
        observations=document.get("observations", []),
        signs_of=attacks.SIGNS,
        outcomes=attacks.outcomes,
        legend=attacks.LEGEND,
        by_probe=attacks.by_probe,
        probe_of=attacks.probe_of,
        anchor=anchor,
        both=both,
        labelled=labelled,
        told=told,
        files=lambda row: files(row, folder),
    )


def versions(document: Document) -> dict[str, Any]:
    """What the observations name that the environment does not: browsers and libraries."""
    named = {one["library"]: one.get("version") for one in document.get("observations", []) if one.get("library")}
    return {name: version for name, version in named.items() if name not in document["environment"]}


def anchor(*names: str) -> str:
    """What a link to a cell leads to."""
    return "-".join(re.sub(r"[^\w-]+", "-", name) for name in names)
