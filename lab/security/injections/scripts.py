"""What a text can do inside a script element: end the element, or end the string that holds it.

The one thing to notice: two parsers read the same bytes, one after the other. The HTML parser looks for `</script>`
before JavaScript sees anything, so what is right for the second is not enough for the first. (U+2028 and U+2029 ended a
string before ES2019 and do not any more, so there is no attack for them here.)
"""

from typing import TYPE_CHECKING, Any

from lab.security.injections.victim import asked, policy_ignored, tab, written
from lab.security.probe import Outcome
from lab.security.scene import Scene

if TYPE_CHECKING:
    from playwright.async_api import Page

FORMS = ("quoted", "json")
"""The two forms that a server without the defence has; one with it has a single one, and gives that for both."""

EMBED = """
(url) => new Promise((resolve) => {
  const frame = document.createElement('iframe');
  const said = [];
  window.ran = null;
  addEventListener('message', ({ source, data }) => {
    if (source === frame.contentWindow) said.push(data.text ?? '');
    if (source === window && data === frame.src) resolve({ said, ran: window.ran });
  });
  // `load` comes when every image of the frame has failed, so nothing of the text can run after it.
  frame.onload = () => postMessage(frame.src, location.origin);
  frame.src = url;
  document.body.append(frame);
})
"""

RAW = "async (url) => (await fetch(url)).text()"


async def script_break_out(scene: Scene) -> Outcome:
    """`</script>` and an image that does not exist: its `onerror` is the attacker's code, without a single quote."""
    canary = scene.target.canary
    return await _embed(scene, f"See: </script><img src=x onerror=parent.ran=/{canary}/.source> so.")


async def string_break_out(scene: Scene) -> Outcome:
    """A quote, and the attacker's code between two plus signs."""
    return await _embed(scene, f"See: '+(parent.ran='{scene.target.canary}')+' in C:\\new.")


async def _embed(scene: Scene, text: str) -> Outcome:
    """Read the text in a frame, in both forms, with the policy of its page ignored and with it in force."""
    async with tab(scene) as page:
        url = (await written(page, text=text))["iframe"]
        async with policy_ignored(page):
            ignored = {form: await _look(page, f"{url}?format={form}") for form in FORMS}
        in_force = {form: await _look(page, f"{url}?format={form}") for form in FORMS}
    intact = all("".join(each["said"]) == text for seen in (ignored, in_force) for each in seen.values())
    canary = scene.target.canary
    figures = {
        "ran_from_quotes": int(ignored["quoted"]["ran"] == canary),
        "ran_from_json": int(ignored["json"]["ran"] == canary),
        "ran_under_csp": sum(each["ran"] == canary for each in in_force.values()),
        "text_intact": int(intact),
    }
    ran = figures["ran_from_quotes"] + figures["ran_from_json"]
    says = (
        f"Code in the text ran from {ran} of 2 forms, and from {figures['ran_under_csp']} with the content security "
        f"policy in force; the text {'arrived intact' if intact else 'did not arrive intact'}."
    )
    evidence = {"CSP ignored": ignored, "CSP in force": in_force}
    return Outcome(ran + figures["ran_under_csp"] > 0, says, figures, evidence)


async def _look(page: "Page", url: str) -> dict[str, Any]:
    """What the frame said and did, and what it was sent after its prelude."""
    seen: dict[str, Any] = await asked(page, EMBED, url)
    stream = await asked(page, RAW, url)
    return seen | {"stream": stream[stream.index("-->") + 4 :]}
