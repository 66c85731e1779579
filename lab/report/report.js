const download = document.querySelector("[data-download]");
download.href = URL.createObjectURL(new Blob([document.getElementById("data").textContent], { type: "application/json" }));
for (const summary of ["beforeprint", "afterprint"]) {
  addEventListener(summary, () => {
    for (const details of document.querySelectorAll("details.sheet")) details.open = summary === "beforeprint" || details.open;
  });
}

/* A link to something that is folded away unfolds it. */
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let at = target; at; at = at.parentElement) if (at.localName === "details") at.open = true;
  target?.scrollIntoView();
}
addEventListener("hashchange", reveal);
if (location.hash) history.scrollRestoration = "manual"; // a page that is loaded again would return to where it was

const charts = [];
const choice = document.querySelector("[name=scene]");

/* A chart has a parameter for each field that it is filtered by. One that would be empty says so instead. */
function choose({ figure, view, values, fields }) {
  if (!choice) return;
  const scene = JSON.parse(choice.value);
  const drawn = values.some((value) => fields.every((field) => value[field] === scene[field]));
  const nothing = figure.querySelector(".nothing");
  nothing.hidden = drawn;
  nothing.textContent = `Nothing of this was measured with ${choice.selectedOptions[0].label}.`;
  figure.querySelector(".chart").hidden = !drawn;
  if (!drawn) return;
  for (const field of fields) view.signal(field, scene[field]);
  return view.runAsync();
}

async function draw(figure) {
  const spec = JSON.parse(figure.querySelector("script").textContent);
  const values = spec.datasets[spec.data.name];
  const fields = (spec.params ?? []).map(({ name }) => name);
  const { view } = await vegaEmbed(figure.querySelector(".chart"), spec, {
    ast: true, // its expressions are interpreted, since the policy of this page forbids eval
    renderer: "svg",
    downloadFileName: `pushlab-${figure.dataset.chart}`,
    actions: { export: true, source: false, compiled: false, editor: false },
  });
  charts.push({ figure, view, values, fields });
  await choose(charts.at(-1));
}

/* Charts take room once they are drawn, and push down what is below them. */
Promise.all([...document.querySelectorAll("[data-chart]")].map(draw)).finally(reveal);
choice?.addEventListener("change", () => charts.forEach(choose));
