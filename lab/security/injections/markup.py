"""What a text can do in a page that parses it: any markup in it is markup of the page.

The one thing to notice: it matters how the page joins the tokens. `innerHTML +=` parses each token alone, and a tag
that is cut in two comes to nothing; `innerHTML = all` parses it whole.
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from lab.security.injections.victim import asked, policy_ignored, tab
from lab.security.probe import Outcome
from lab.security.scene import Scene

if TYPE_CHECKING:
    from playwright.async_api import Page

CUT_MS = 450
"""Between the two halves of a tag: more than twice the pause of a polling page, so that they come one by one."""
TRIES = 3
"""They may still come together when this machine is busy."""

DONE = "[data-transport]:is([data-state=done], [data-state=failed], [data-state=stopped])"

REPORT = """
window.blocked = 0;
addEventListener('securitypolicyviolation', () => { window.blocked += 1; });
"""

SETTLE = """
async () => {
  // An image of our own that fails as well: those of the text have been asked for before it.
  await new Promise((resolve) => Object.assign(new Image(), { onerror: resolve, src: 'x' }));
  const ended = () => window.blocked || [...document.images].every((image) => image.parentNode.dataset.ran);
  for (let look = 0; look < 100 && !ended(); look += 1) await new Promise((resolve) => setTimeout(resolve, 20));
  const ran = (name) => document.querySelector(`[data-${name}]`)?.dataset.ran ?? null;
  return {
    ran: document.querySelector('[data-ran]')?.dataset.ran ?? null,
    by_adding: ran('text'),
    by_assigning: ran('all'),
    blocked: window.blocked,
    state: document.querySelector('[data-transport]').dataset.state,
    chunks: Number(document.querySelector('[data-chunks]').textContent),
    text: document.querySelector('[data-text]').textContent,
    html: document.querySelector('[data-text]').innerHTML,
  };
}
"""


def image(canary: str, gap: str) -> str:
    """An image that does not exist; when it fails, the canary is written on the element around it."""
    return f"Look: <img src=x{gap}onerror=this.parentNode.dataset.ran=/{canary}/.source> and on"


async def inner_html(scene: Scene) -> Outcome:
    """The image in one token, with the policy of the page ignored; where it ran, once more with it in force."""
    text = image(scene.target.canary, " ")
    async with tab(scene) as page:
        async with policy_ignored(page):
            seen = {"CSP ignored": await _open(page, scene, text)}
        if seen["CSP ignored"]["ran"]:  # a policy only ever takes away: what did not run without it never does
            seen["CSP in force"] = await _open(page, scene, text)
    ran = {policy: int(each["ran"] == scene.target.canary) for policy, each in seen.items()}
    intact = int(all(each["text"] == text for each in seen.values()))
    figures = {"ran": ran["CSP ignored"], "ran_under_csp": ran.get("CSP in force", 0), "text_intact": intact}
    in_force = f", and {_ran(figures['ran_under_csp'])} with it in force" if len(ran) > 1 else ""
    says = (
        f"Code in the text {_ran(figures['ran'])} with the page's content security policy ignored{in_force}; "
        f"{_shown(intact)}."
    )
    return Outcome(any(ran.values()), says, figures, seen)


async def inner_html_split(scene: Scene) -> Outcome:
    """The same image, cut between two tokens."""
    text = image(scene.target.canary, "\n")
    async with tab(scene) as page, policy_ignored(page):
        for _ in range(TRIES):
            seen = await _open(page, scene, text, CUT_MS)
            if seen["chunks"] > 1:
                break
    figures = {
        "ran_by_adding": int(seen["by_adding"] == scene.target.canary),
        "ran_by_assigning": int(seen["by_assigning"] == scene.target.canary),
        "chunks": seen["chunks"],
        "text_intact": int(seen["text"] == text),
    }
    says = (
        f"In {seen['chunks']} chunks, `innerHTML += token` {_ran(figures['ran_by_adding'])} and `innerHTML = all` "
        f"{_ran(figures['ran_by_assigning'])}; {_shown(figures['text_intact'])}."
    )
    return Outcome(seen["ran"] == scene.target.canary, says, figures, seen)


async def _open(page: "Page", scene: Scene, text: str, token_ms: float = 0) -> dict[str, Any]:
    """Open the transport's page by a link that carries the text, press Start, and look when it is done."""
    query = urlencode({"preset": "own", "unit": "sentence", "token_ms": token_ms})
    await page.goto("about:blank")  # or a link that differs after the `#` only would open nothing
    await page.goto(f"{scene.target.site}/demo/{scene.transport}?{query}#{urlencode({'text': text})}")
    await page.evaluate(REPORT)
    await page.click("[data-action=start]")
    await page.wait_for_selector(DONE)
    seen: dict[str, Any] = await asked(page, SETTLE)
    return seen


def _ran(ran: int) -> str:
    return "ran" if ran else "did not run"


def _shown(intact: int) -> str:
    return f"the page shows the text {'intact' if intact else 'changed'}"
