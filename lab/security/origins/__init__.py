"""What the pages of others may do in the browser of somebody who uses this server, and strangers without one."""

from lab.security.origins.addresses import again, leave, look
from lab.security.origins.reading import DECOYS, include, listen, read, rebind
from lab.security.origins.starting import frame, post, start
from lab.security.origins.strangers import GUESSES, TOKEN, enter, guess, know
from lab.security.probe import Probe, only

ONLY_WEBSOCKET = only(
    "websocket",
    why="It is read over HTTP: Sec-Fetch-Site tells whose page asks, and a browser keeps the response from foreign "
    "pages.",
)
NO_RESPONSE_TO_KEEP = {
    "websocket": "No CORS header bears on it: a browser hands every message to whichever page has opened the WebSocket."
}
NO_FETCH_METADATA = {
    "websocket": "Chromium sends no Sec-Fetch-Site with a handshake: see blind-handshake, which Origin stops."
}
ANY_WAY_OF_READING = only(
    "polling", why="The answer is started by the same POST, whatever reads it: polling stands for all."
)
NO_PAGE = only(
    "iframe", why="What it sends is no page, so there is nothing to frame, to listen to, or to follow a link from."
)
SAME_PAGE = only("iframe", why="The page with its button is the same for every transport: iframe stands for all.")
NO_SCRIPT = {
    **dict.fromkeys(
        ("polling", "long_polling", "whole"),
        'Its body is a JSON object: a script that begins with {"cursor": is a syntax error, and nothing of it runs.',
    ),
    "iframe": "Its body is a page: a script that begins with <!doctype is a syntax error, and nothing of it runs.",
    "websocket": "A script element makes no handshake.",
}
BY_HEADER = dict.fromkeys(
    ("polling", "long_polling", "whole"),
    "It is asked for by fetch, which sends the token as a header: nothing need stand in the address.",
)

PROBES: dict[str, Probe] = {
    "websocket-hijacking": Probe(
        name="Hijacked WebSocket",
        does="A page of a stranger opens a WebSocket to this server in the victim's browser, and reads the victim's "
        "answer.",
        why="No same-origin policy covers WebSocket: any page may open one and read all that comes. The browser sends "
        "the cookie along, and SameSite=Strict does not keep it back from a page on another port of the same host, "
        "which is the same site. Only the server can refuse, by the Origin of the handshake.",
        attack=read,
        defences=("origin",),
        spares=ONLY_WEBSOCKET,
        claims=("C13",),
        remains="A server on another port of the same host needs no script: it is sent the cookie itself, which it can "
        "use from a program.",
    ),
    "cross-origin-read": Probe(
        name="Reading across origins",
        does="A page of a stranger asks for the victim's answer with the victim's cookies, and reads the response.",
        why="CORS headers give the response to the page that asks. A server that sends back every Origin and allows "
        "credentials has switched the same-origin policy off for itself. Origin and Sec-Fetch-Site are not checked "
        "here, in either run: without CORS headers, the request is served, cookie and all, and the browser keeps the "
        "response to itself.",
        attack=read,
        defences=("no-cors",),
        besides=("origin", "fetch-site"),
        spares=NO_RESPONSE_TO_KEEP,
        claims=("C7",),
        remains="The request itself: it is served, at its cost, unless Origin or Sec-Fetch-Site is checked.",
    ),
    "blind-start": Probe(
        name="Started blindly",
        does="A page of a stranger has the server start an answer by a GET, hidden in a fetch or in a frame; it cannot "
        "see the response, and the victim pays for it.",
        why="A browser sends a simple GET to anywhere without asking, and puts no Origin on it. What it does say is "
        "Sec-Fetch-Site, which no script can forge.",
        attack=start,
        defences=("fetch-site",),
        spares=NO_FETCH_METADATA,
        own_server=True,
        claims=("C7",),
        remains="Browsers that do not send Sec-Fetch-Site yet: Safari has since 16.4, of 2023.",
    ),
    "blind-handshake": Probe(
        name="Started by a handshake",
        does="A page of a stranger has the server start an answer by opening a WebSocket.",
        why="A handshake is a GET that a browser sends to anywhere, without Sec-Fetch-Site in Chromium. It carries an "
        "Origin, always.",
        attack=start,
        defences=("origin",),
        spares=ONLY_WEBSOCKET,
        own_server=True,
        claims=("C13",),
    ),
    "blind-post": Probe(
        name="Started by a form's POST",
        does="A page of a stranger sends the order of an answer as text/plain, which needs no leave of the server; the "
        "victim pays for it.",
        why="Forms could always send text to anywhere, so a browser asks no leave for it (CORS preflight). A server "
        "that takes any body for JSON takes that one, too. To send application/json across origins, a page must ask, "
        "and is refused.",
        attack=post,
        defences=("json-only", "origin", "fetch-site"),
        spares=ANY_WAY_OF_READING,
        own_server=True,
        claims=("C7",),
    ),
    "framing": Probe(
        name="Framed and clicked",
        does="A page of a stranger lays this server's page over its own, unseen, with the start button where the "
        "victim clicks to win.",
        why="The click goes to the page that lies on top, and that page is ours: it has the right Origin, and a person "
        "behind it. Only refusing to be framed helps.",
        attack=frame,
        defences=("frame-ancestors", "fetch-site"),
        spares=SAME_PAGE,
        own_server=True,
    ),
    "post-message": Probe(
        name="Overheard postMessage",
        does="A page of a stranger frames the stream of an answer, and is told the text by the stream itself.",
        why='The frame hands its text to the page around it. postMessage(chunk, "*") hands it to any page; with an '
        "origin in the place of the star, the browser delivers to that origin only. That the stream may be framed at "
        "all is granted here, in both runs.",
        attack=listen,
        defences=("target-origin",),
        besides=("frame-ancestors", "fetch-site"),
        spares=NO_PAGE,
        claims=("C7",),
    ),
    "script-inclusion": Probe(
        name="Run as a script",
        does="A page of a stranger runs the answer, of one word, in a script element, and has a variable for each of "
        f"{DECOYS + 1} words that it suspects: the one that is read is the answer.",
        why="A script element loads from anywhere, with cookies. `data:word` is a label and the name of a variable, so "
        "a bare event stream is a program; served as text without nosniff, it is run. JSON in events is no program, "
        "and Cross-Origin-Resource-Policy, which is counted among the CORS headers here, keeps it from foreign pages.",
        attack=include,
        defences=("nosniff", "json-events", "no-cors"),
        besides=("fetch-site",),
        spares=NO_SCRIPT,
        claims=("C7",),
        remains="Scripts that are meant to be loaded from anywhere (JSONP): they leak whatever is in them.",
    ),
    "dns-rebinding": Probe(
        name="Rebound name",
        does="A stranger's name is pointed to loopback once its page is loaded, and the page then reads from this "
        "server as from its own. The browser's resolver is told so by a flag, and the page is put in by hand.",
        why="To the browser, origin is a name and a port, wherever they lead. Origin and Host agree, and over plain "
        "http to such a name there is no Sec-Fetch-Site. Chromium's own check, Local Network Access, is switched off "
        "here, since other browsers have none.",
        attack=rebind,
        defences=("host",),
        claims=("C7",),
    ),
    "foreign-session": Probe(
        name="Another session's answer",
        does="Somebody who knows the id of an answer, say from a screenshot, asks for it: without a session, and with "
        "one of their own.",
        why="An id that opens whatever it names is a key, and one that is shown in addresses. What belongs to a "
        "session is looked up with the session, and refused in the same words as what there is not.",
        attack=know,
        defences=("session",),
        remains="Answers that programs start, which have no session: there, the id is the key.",
    ),
    "id-guessing": Probe(
        name="Guessed ids",
        does=f"Somebody with an answer of their own tries the {GUESSES} ids that come next. Answers do not belong to "
        "sessions here, and the limit on requests is raised to 10 000 a second.",
        why="Who counts up tells everybody the next number. Of 128 random bits, a thousand guesses cover nothing.",
        attack=guess,
        defences=("random-ids",),
        besides=("session",),
        settings={"address_requests_per_s": 10_000},
    ),
    "open-to-strangers": Probe(
        name="No token asked",
        does="Somebody who reaches the port reads an answer and starts one, without the server's access token.",
        why="Reaching a port is no permission: on a network, everybody does. The server is started with --token in "
        "both runs.",
        attack=enter,
        defences=("token",),
        settings={"token": TOKEN},
        remains="Whoever reads along without TLS has the token.",
    ),
    "token-in-url": Probe(
        name="Token in the address",
        does="A client that can send no header puts its permission into the address; somebody who reads the log sends "
        "the same address again. The log is not redacted here.",
        why="EventSource, frames and WebSocket take an address and nothing else. A token in it lasts, and logs, "
        "histories and proxies keep it. A ticket is used up by the request that wrote it into the log.",
        attack=again,
        defences=("ticket",),
        besides=("redaction",),
        spares=BY_HEADER,
        settings={"token": TOKEN},
        remains="Who takes a ticket on its way, before it is used: that is for TLS to stop.",
    ),
    "log-reading": Probe(
        name="Ids in the log",
        does="Somebody who reads the access log takes the id of a program's answer out of it, and reads the answer.",
        why="Logs are copied, sent around and kept for years, and hardly anybody counts them among secrets.",
        attack=look,
        defences=("redaction",),
        remains="Logs of others: of a proxy in front, or of the client.",
    ),
    "referrer": Probe(
        name="Address told to the next site",
        does="A person leaves the page of a program's answer by a link; the next site reads in Referer where they come "
        "from, and reads the answer there.",
        why="With `unsafe-url`, browsers tell whole addresses. Without any policy, today's tell the origin only, and "
        "older ones did not.",
        attack=leave,
        defences=("referrer-policy",),
        spares=NO_PAGE,
    ),
}
