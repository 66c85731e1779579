"""The answers that come with the sandbox, by name.

The one thing to notice: `edge`. Every character in it has broken somebody's stream.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from server.sources.replay import TRACES, BadTrace, Trace

NAME = re.compile(r"[\w.-]{1,40}")
TAKEN = ("own", "prompt")
"""What the page calls what is typed into it."""

TYPEWRITER = (
    "打字机效果并不神秘：模型每想出一个字，服务器就立刻把它推给浏览器，浏览器再接到句子的末尾。"
    "总时间没有变短，但你不必等到最后才看见第一个字，所以觉得它快。"
)

ENGLISH = """\
## Why does the answer appear word by word?

A language model does not write a whole answer and then send it. It predicts **one token at a time**, and each token \
needs the ones before it. A server has two choices:

1. *Wait* for the last token and reply once.
2. *Push* each token as soon as it exists.

The total time is about the same. What changes is the time to the **first** token: with pushing, you start to read \
after a few tenths of a second instead of several seconds.

```js
const answer = new EventSource("/sse");
answer.onmessage = (event) => {
  page.append(JSON.parse(event.data).text);
};
answer.addEventListener("end", () => answer.close());
```

Notice the last line. A browser that is not told "this was the end" takes a closed stream for a *broken* one and \
connects again. So a good protocol says `end` out loud, and a good client treats silence as an error. 👍
"""

EDGE = (
    "  two leading spaces\n"
    "emoji 👩‍👩‍👧‍👦 👍🏽 🏳️‍🌈 flags 🇨🇳🇭🇰🇺🇳 keycap 1️⃣\n"
    "combining: e\u0301 n\u0303 Z\u0351\u036b\u0343 नमस्ते 각\n"
    "right-to-left: שלום, مرحبا, mixed 123 אבג\n"
    "CR:\rLF:\nCRLF:\r\ntab:\tend\n"
    "line\u2028separator, paragraph\u2029separator, next\u0085line\n"
    "</script><script>alert(1)</script> <!-- <b>bold</b> & &amp;\n"
    "data: not a field\nevent: end\nid: 999\nretry: 1\n\n: not a comment\n"
    "NUL:\x00 BOM:\ufeff quotes: ' \" ` \\ \\n ${x} {{x}} %s\n"
    "ANSI: \x1b[31mred\x1b[0m \x1b]0;title\x07 bell backspace:\x08 \x9b31m\n"
    "bidi override: \u202eabc\u202c zero width: a\u200bb\n"
    "  end with spaces  "
)


@dataclass(frozen=True, slots=True)
class Preset:
    """A text, or a recorded answer with its own times."""

    text: str
    trace: Trace | None = None


def recorded(path: Path) -> Preset:
    """The trace in a file as a preset. Raises BadTrace."""
    trace = Trace.read(path)
    return Preset("".join(trace.texts), trace)


def is_free(name: str) -> bool:
    """Whether an answer of one's own can be called so."""
    return bool(NAME.fullmatch(name)) and name not in (*PRESETS, *TAKEN)


def own(folder: str) -> dict[str, Preset]:
    """The traces in a folder, by the names of their files. Raises BadTrace."""
    found: dict[str, Preset] = {}
    try:
        paths = sorted(path for path in Path(folder).iterdir() if path.suffix == ".json")
    except OSError as error:
        raise BadTrace(f"{folder} cannot be read: {error.strerror}.") from None
    for path in paths:
        if not is_free(path.stem):
            raise BadTrace(
                f"{path} cannot be the name of an answer: give it one of its own, of letters, digits, hyphens and dots."
            )
        found[path.stem] = recorded(path)
    return found


DEFAULT = "typewriter"

PRESETS = {
    "typewriter": Preset(TYPEWRITER),
    "off-work": Preset("够钟下班啦"),
    "count-to-100": recorded(TRACES / "count-to-100.json"),
    "english": Preset(ENGLISH),
    "edge": Preset(EDGE),
    "recorded": recorded(TRACES / "recorded.json"),
}
