"""What a browser does of its own accord that no check of a server decides: once too much, and once for our good.

The one thing to notice: both are seen in the browser of this very run. Another one, or a newer one, may do otherwise.
"""

from typing import Any

from lab.security.chromium import Chromium
from lab.security.origins.attacker import NAMES, attacking
from lab.security.origins.program import read_at
from lab.security.origins.reading import REBOUND, rebound
from lab.security.origins.victim import victim
from lab.security.origins.watch import Watch
from lab.security.scene import Scene, Target


async def observe(target: Target, chromium: Chromium) -> list[dict[str, Any]]:
    """What is seen: `id`, whether it `holds`, what it `says`. Raises CouldNotRun without Chromium."""
    version = await chromium.version()
    source = {"library": "Chromium", "version": version}
    return [(await cookie_on_another_port(target, chromium)) | source, (await rebinding(target, chromium)) | source]


async def cookie_on_another_port(target: Target, chromium: Chromium) -> dict[str, Any]:
    """Whether a web server on another port of the same host is sent the session cookie, and can read with it."""
    async with attacking() as attacker, victim(Scene(target, "polling", chromium)) as visitor:
        await visitor.comes_by(attacker, "read.html", transport="polling")
    read = []
    for host, cookie in attacker.cookies.items():
        reading = await read_at(target, "polling", f"/answers/{visitor.answer}/polling", Cookie=cookie)
        read += [host] if target.canary in reading.text else []
    ours = f"pushlab-{target.port}"
    told = [host for host, cookie in attacker.cookies.items() if ours in cookie]
    return {
        "id": "cookie-on-another-port",
        "holds": bool(read),
        "says": f"The session cookie (HttpOnly, SameSite=Strict) was sent to a stranger's server on another port of "
        f"{' and '.join(told) or 'no host'}, which {'read' if read else 'did not read'} the session's answer with it; "
        f"the same server as {' and '.join(host for host in NAMES.values() if host not in told)} was sent none.",
    }


async def rebinding(target: Target, chromium: Chromium) -> dict[str, Any]:
    """Whether the browser itself keeps a page from elsewhere from asking loopback (Local Network Access)."""
    async with attacking() as attacker, chromium.context(REBOUND) as context:
        link = await rebound(context, target, attacker, "polling")
        page = await context.new_page()
        watch = await Watch(page, target.port).start()
        await page.goto(link.url)
        await page.wait_for_selector("output.got, output.nothing")
        await watch.settled(watch.known)
    asked = watch.asked()
    stopped = bool(asked) and not any(each.status for each in asked)
    seen = "; ".join(each.outcome for each in asked)
    return {
        "id": "local-network-access",
        "holds": stopped,
        "says": f"A page from elsewhere, whose name was then pointed to loopback, was "
        f"{'kept by the browser from asking' if stopped else 'let through to'} the server: {seen}.",
    }
