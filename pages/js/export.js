// A run to take away: as JSON, with every time that was taken, or as one page that needs no server and no network.
// Notice: the page is the section as it stands, its drawings and its style in it. Nothing in it runs.

const SCHEMA = 'pushlab-page/1';

// run: {fields, id, started, wasHidden} · one row for each lane; its keys are those of the lab's result.json
export function asJson(run, scene, notes) {
  return JSON.stringify({
    schema: SCHEMA,
    started: run.started.toISOString(),
    page: address(),
    user_agent: navigator.userAgent,
    window: { width: innerWidth, height: innerHeight, pixel_ratio: devicePixelRatio },
    fields: run.fields,
    answer: run.id,
    was_hidden: run.wasHidden,
    gap_limit_ms: scene.limit,
    clock_error_ms: scene.clock?.error ?? null,
    times: { due_ms: scene.due_ms, appended_ms: scene.appended_ms },
    source: scene.source,
    rows: scene.lanes.map(asRow),
    notes,
  }, null, 1);
}

function asRow({ name, state, intact, text, why, figures, row, reads, gaps, spans }) {
  return {
    transport: name,
    state,
    intact,
    text,
    why,
    ...figures,
    ledger: row,
    received_ms: reads.flatMap(({ at, tokens }) => Array(tokens).fill(at)),
    reads,
    gaps,
    spans,
  };
}

export function asPage(run, section, verdict) {
  const copy = section.cloneNode(true);
  copy.querySelectorAll('button, [hidden]').forEach((element) => element.remove());
  copy.querySelectorAll('[tabindex]').forEach((element) => element.removeAttribute('tabindex'));
  copy.querySelectorAll('[role=slider]').forEach((element) => element.setAttribute('role', 'img'));
  const style = [...document.styleSheets].flatMap(({ cssRules }) => [...cssRules]).map(({ cssText }) => cssText);
  const facts = [verdict, run.started.toISOString(), address(), navigator.userAgent];
  return `<!doctype html>
<html lang="${document.documentElement.lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>pushlab ${run.started.toISOString()}</title>
<style>${style.join('\n')}</style>
</head>
<body class="exported">
${facts.map(paragraph).join('\n')}
${copy.outerHTML}
</body>
</html>
`;
}

// What stands after the `#` is the text, which may be long, and is in `fields`.
function address() {
  return location.origin + location.pathname + location.search;
}

function paragraph(text) {
  const element = document.createElement('p');
  element.textContent = text;
  return element.outerHTML;
}

// The browser's own way to save what a page has made.
export function save(run, content, type, ending) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = `pushlab-${run.started.toISOString().slice(0, 19).replaceAll(':', '-')}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
