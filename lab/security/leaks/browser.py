"""The same lengths, out of the traffic of a real browser that reads with the page's own code.

The one thing to notice: nothing about the leak belongs to a client. Who sends tokens one by one is who has it.
"""

from typing import Any

from lab.relay import relaying
from lab.security.leaks.observation import banner
from lab.security.leaks.pairing import Read, observation
from lab.security.leaks.token_length import order, outcome
from lab.security.probe import Outcome
from lab.security.scene import Scene

HURRY = """
const wait = window.setTimeout;
window.setTimeout = (run, ms, ...rest) => wait(run, ms < 1000 ? ms / 100 : ms, ...rest);
"""
"""Short timers are made shorter: the page polls every 200 ms, and would get many words at once."""

ROUND_TRIP = """
async () => {
  const began = performance.now();
  for (let at = 0; at < 15; at += 1) await (await fetch('/healthz')).text();
  return (performance.now() - began) / 15;
}
"""
"""The mean, in milliseconds."""

READ = """
async ([name, order]) => {
  const { TRANSPORTS } = await import('/js/transports/index.js');
  const { startAnswer } = await import('/js/answer.js');
  const { id, links } = await startAnswer(order);
  const reads = [];
  for await (const chunk of TRANSPORTS[name].stream(links[name])) {
    reads.push([chunk.cursor, Boolean(chunk.done), chunk.request ?? 1]);
  }
  return { id, reads };
}
"""

TIMELINE = "async (id) => (await (await fetch(`/answers/${id}/timeline`)).json()).entries"


async def attack(scene: Scene) -> Outcome:
    """Have Chromium read an answer through a relay, and guess lengths from sizes. Raises CouldNotRun without one."""
    target, name = scene.target, scene.transport
    async with (
        relaying(target.port) as relay,
        scene.chromium.context(ignore_https_errors=True) as context,  # the authority of this run is known to no browser
    ):
        await context.add_init_script(HURRY)
        page = await context.new_page()
        await page.goto(f"{relay.through(target.url)}/demo/{name}", wait_until="load")
        read: dict[str, Any] = await page.evaluate(READ, [name, order(name, await page.evaluate(ROUND_TRIP))])
        pieces = list(relay.pieces)
        entries: list[dict[str, Any]] = await page.evaluate(TIMELINE, read["id"])
    reads = [Read(*chunk) for chunk in read["reads"]]
    return outcome(observation(pieces, reads, entries, banner(target)), name)
