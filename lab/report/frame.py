"""What all reports have in common: one frame, one look, and the words for plain values.

The one thing to notice: a report shows text that others wrote, attackers among them. So every value is escaped, and the
page's own policy runs no script but those that this module has put into it: it names them by their hashes.
"""

from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import jinja2
import vl_convert
from markupsafe import Markup

from lab.report.headline import SIGNS, Document, incomplete
from lab.report.look import COLOURS
from lab.report.series import shown
from lab.result import FILE


def render(template: str, document: Document, headlines: Sequence[str], counted: str, **parts: Any) -> str:
    """The HTML of a report. `counted` says how much was measured; `parts` is what its own template asks for."""
    known = {"environment": document["environment"], "javascript": javascript() if parts.get("chapters") else ""}
    said = {"headlines": headlines, "counted": counted, "incomplete": incomplete(document)}
    return templates.get_template(template).render(known | said | parts, document=document)


@cache
def javascript() -> Markup:
    """Vega-Embed and all that it needs, to be set into the page."""
    return Markup(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))  # noqa: S704 - of a library, no data


def policy(*scripts: str) -> str:
    """The page's Content-Security-Policy: nothing from outside, and these scripts alone (CSP 3, 2.3.1: hashes)."""
    hashes = [b64encode(sha256(script.encode()).digest()).decode() for script in scripts if script]
    allowed = " ".join(f"'sha256-{each}'" for each in hashes)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:"


def code(text: str) -> Markup:
    """Escaped for HTML, with what stands between backquotes set as code."""
    parts = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts))


def plain(name: str, value: Any) -> str:
    """A value of the environment or the parameters in words."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "not known"}[value]
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(name, each) for each in value)
    if name.endswith("_bytes") and value >= 2**30:
        return f"{value / 2**30:.1f} GiB"
    return str(value)


templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
templates.globals |= {"signs": SIGNS, "colours": COLOURS, "file": FILE}
templates.globals |= {"policy": policy, "code": code, "plain": plain, "shown": shown}
