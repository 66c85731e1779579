"""What a text may do on its way: forge events, run as a script, command a terminal, write into a log.

The one thing to notice: it is the same mistake every time, and the same place to mend it. Who puts a text into
something that is read by rules (fields, scripts, markup, a terminal, a log) has to write it by those rules.
"""

from lab.security.injections.access_log import log_forging
from lab.security.injections.events import CALM, STORM, WINDOW_S, forged_event, forged_id, lost_space, retry_storm
from lab.security.injections.markup import inner_html, inner_html_split
from lab.security.injections.scripts import script_break_out, string_break_out
from lab.security.injections.terminal import terminal_escape
from lab.security.probe import Probe, only

ONLY_SSE = only(
    "sse",
    why="Its chunks are not lines: there is no field that a text could forge, and no space that a field would take.",
)
ONLY_IFRAME = only("iframe", why="What it sends is no page: nothing in it is run as a script.")

PROBES: dict[str, Probe] = {
    "forged-event": Probe(
        name="Forged event",
        does="A text with a line end, `event: admin` and a blank line makes an event that the server never sent; "
        "once with LF, once with a lone CR.",
        why="An event stream is lines. `data:` and a bare text trusts that the text has no line end, and there are "
        "three of them: LF, CRLF and CR. At least one library had to be mended twice: its first fix forgot the CR.",
        attack=forged_event,
        defences=("json-events",),
        spares=ONLY_SSE,
        claims=("C3",),
    ),
    "forged-id": Probe(
        name="Forged event id",
        does="A text that holds `id:` moves the browser's last event id ahead; after a cut it resumes from there, and "
        "what lies between is lost without a word. The network cuts the stream once; the server's `retry` is shortened "
        "to 50 ms here.",
        why="The id of an event is the cursor of the resume. Who can write a line can write that line.",
        attack=forged_id,
        defences=("json-events",),
        spares=ONLY_SSE,
        settings={"retry_ms": 50},
        claims=("C3",),
        remains="A server that sends a wrong id itself: a text's digest tells that something is missing, not what.",
    ),
    "retry-storm": Probe(
        name="Reconnect storm",
        does="A text that holds `retry: 1` makes a tab come back one millisecond after each cut, again and again. The "
        f"network cuts every stream here, for {WINDOW_S:g} s or {STORM} times; then it is well again.",
        why="EventSource reconnects without asking anybody, and `retry` is the only brake that it has. More than "
        f"{CALM} requests count as a storm; by the server's own `retry` there is time for two or three.",
        attack=retry_storm,
        defences=("json-events",),
        spares=ONLY_SSE,
        claims=("C3",),
        remains="Readers that all come back at once after an outage; that is for jitter to spread.",
    ),
    "lost-space": Probe(
        name="Lost characters",
        does="Nobody attacks: a text begins with a space and holds a CR and a CRLF, and what the browser has of it is "
        "compared with what was sent.",
        why="One space after the colon belongs to the field and is dropped, and a line without a colon is a field that "
        "nobody knows. So a bare text loses the space before each word that is a token, and all after a line end.",
        attack=lost_space,
        defences=("json-events",),
        spares=ONLY_SSE,
        claims=("C3",),
    ),
    "script-break-out": Probe(
        name="Out of the script element",
        does="A text with `</script>` and an image that does not exist runs its code in the page's own origin. It is "
        "tried on a text in quotes and on a text as JSON, with the browser told to ignore the content security policy "
        "of the frame (so that the escaping is judged alone), and with that policy in force.",
        why="The HTML parser ends a script at `</script>`, strings or not; JSON is right for JavaScript and not enough "
        "for HTML. A policy with a nonce stops this code too, since it is none of the server's scripts.",
        attack=script_break_out,
        defences=("script-escaping",),
        spares=ONLY_IFRAME,
        claims=("C7",),
    ),
    "string-break-out": Probe(
        name="Out of the string",
        does="A text with a quote and code between plus signs runs that code, in a string that was put together by "
        "hand; with the content security policy ignored, and with it in force.",
        why="The code is inside the server's own script and has its nonce: the policy cannot tell it apart and lets it "
        "run. Only the escaping stops it.",
        attack=string_break_out,
        defences=("script-escaping",),
        spares=ONLY_IFRAME,
        claims=("C7",),
    ),
    "inner-html": Probe(
        name="Text as markup",
        does="A text with an image that does not exist runs its `onerror` in a page that adds tokens to `innerHTML`, "
        "as the article's does. The browser ignores the page's content security policy, so that the page is judged "
        "alone; where the code ran, it is tried again with the policy in force.",
        why="The transport does not matter: every one delivers the text to the same line of the page. A text node "
        "parses nothing. The policy of this server would stop such code too, but not a link, or words that look like "
        "the page's own.",
        attack=inner_html,
        defences=("text-nodes",),
        settings={"first_token_ms": 0},
        claims=("C7",),
    ),
    "inner-html-split": Probe(
        name="Markup cut in two",
        does="The same image, cut between two tokens. `innerHTML += token` parses each alone and runs nothing; "
        "`innerHTML = all` runs it. The page's content security policy is ignored here.",
        why="A filter or a parser that sees one token at a time does not see what they make together.",
        attack=inner_html_split,
        defences=("text-nodes",),
        spares={"whole": "The text comes in one piece, so there are no two tokens to cut it between."},
        settings={"first_token_ms": 0},
        claims=("C7",),
    ),
    "terminal-escape": Probe(
        name="Commands to the terminal",
        does="A text with control sequences renames the window of whoever reads it with the Python client, clears the "
        "screen, and colours what follows.",
        why="A terminal obeys what is written to it, whoever wrote it. The defence is the client's: the server sends "
        "the same text in both runs.",
        attack=terminal_escape,
        defences=("terminal-escaping",),
        settings={"first_token_ms": 0},
        claims=("C7",),
        remains="Other clients: `curl` prints what comes, so an answer with such sequences commands its terminal.",
    ),
    "log-forging": Probe(
        name="Forged log lines",
        does="Addresses with percent-encoded line ends and escapes: a log that decodes them has lines that nobody's "
        "request made, and commands for the terminal of whoever reads it.",
        why="Decoding makes an address readable, and brings back what the encoding kept out of the line.",
        attack=log_forging,
        defences=("log-escaping",),
        claims=("C7",),
        remains="Headers: this log has none of them, and whoever adds one has to escape it as well.",
    ),
}
