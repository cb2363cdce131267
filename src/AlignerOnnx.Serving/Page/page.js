// The page: plain modules, no library. Everything it shows comes from the same API that clients use.
const find = id => document.getElementById(id);
const svgSpace = "http://www.w3.org/2000/svg";
let baseName = "";
const shown = {};

/** Whether something differs from what was last shown; what does not is left alone, so that the focus stays where it is. */
function changed(what, value) {
  const text = JSON.stringify(value);
  const differs = shown[what] !== text;
  shown[what] = text;
  return differs;
}

/** Makes an element with attributes and children; text is never parsed as markup. */
function make(tag, attributes = {}, ...children) {
  const element = ["svg", "rect", "polyline", "text", "title"].includes(tag) ? document.createElementNS(svgSpace, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function say(text) {
  find("status").textContent = text;
}

async function call(path, options = {}) {
  const response = await fetch(path, options);
  if (!response.ok) {
    const body = await response.json().catch(() => null);
    throw new Error(body?.error?.message ?? `${path}: status ${response.status}`);
  }
  return response;
}

const json = async path => (await call(path)).json();
const post = (path, body) => call(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}) });

/* ---- chat ---- */

function makeSlots() {
  for (let i = 0; i < 3; i++) {
    const scale = make("input", { type: "range", id: `scale-${i}`, min: "-1", max: "2", step: "0.05", value: "1", "aria-describedby": `scale-value-${i}` });
    const output = make("output", { id: `scale-value-${i}`, for: `scale-${i}` }, "1");
    scale.addEventListener("input", () => { output.textContent = scale.value; });
    find("slots").append(make("div", {},
      make("label", { for: `adapter-${i}` }, `Adapter ${i + 1}`), make("select", { id: `adapter-${i}` }, make("option", { value: "" }, "none")),
      make("label", { for: `scale-${i}` }, "Scale ", output), scale));
  }
}

function chosen() {
  return [0, 1, 2]
    .map(i => ({ id: find(`adapter-${i}`).value, scale: Number(find(`scale-${i}`).value) }))
    .filter(part => part.id !== "");
}

async function answer(title, adapters, question) {
  const text = make("p", {}, "…");
  const facts = make("small");
  find("answers").append(make("article", { "aria-label": title }, make("h3", {}, title), text, facts));
  // A lone adapter at its own scale is asked for by name, which works for every kind.
  const model = adapters.length === 1 && adapters[0].scale === 1 ? { model: adapters[0].id } : { model: baseName, adapters };
  try {
    const response = await post("/v1/chat/completions", { ...model, messages: [{ role: "user", content: question }], max_tokens: 200, temperature: 0, stream: true });
    text.textContent = "";
    for await (const event of events(response)) {
      if (event.error) {
        throw new Error(event.error.message);
      }
      text.textContent += event.choices[0]?.delta?.content ?? "";
      facts.textContent = event.system_fingerprint;
    }
  } catch (failure) {
    text.textContent = failure.message;
  }
}

/** The events of a streamed answer. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) {
      return;
    }
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const data = part.replace(/^data: /, "");
      if (data === "[DONE]") {
        return;
      }
      yield JSON.parse(data);
    }
  }
}

find("ask").addEventListener("submit", async event => {
  event.preventDefault();
  const question = find("question").value;
  const parts = chosen();
  find("answers").replaceChildren();
  find("send").disabled = true;
  const label = part => part.scale === 1 ? part.id : `${part.id} × ${part.scale}`;
  const asked = [answer(baseName, [], question), ...parts.map(part => answer(label(part), [part], question))];
  if (find("blend").checked && parts.length > 1) {
    asked.push(answer(parts.map(label).join(" + "), parts, question));
  }
  await Promise.all(asked);
  find("send").disabled = false;
});

/* ---- adapters ---- */

async function showAdapters() {
  const models = (await json("/v1/models")).data;
  baseName = models.find(model => model.parent === null).id;
  find("base-name").textContent = baseName;
  const adapters = (await json("/v1/adapters")).data;
  if (!changed("adapters", adapters)) {
    return;
  }
  for (let i = 0; i < 3; i++) {
    const select = find(`adapter-${i}`);
    const before = select.value;
    select.replaceChildren(make("option", { value: "" }, "none"), ...adapters.filter(adapter => adapter.loaded).map(adapter => make("option", { value: adapter.id }, adapter.id)));
    select.value = adapters.some(adapter => adapter.id === before && adapter.loaded) ? before : "";
  }
  find("adapters").replaceChildren(...adapters.map(adapterRow));
}

function adapterRow(adapter) {
  const gates = make("button", { type: "button" }, "Show");
  gates.setAttribute("aria-label", `Show the gates of ${adapter.id}`);
  gates.addEventListener("click", () => showGates(adapter));
  return make("tr", {},
    make("th", { scope: "row" }, adapter.id), make("td", {}, `${adapter.current_version}`), make("td", {}, adapter.versions.join(", ")),
    make("td", {}, Object.entries(adapter.aliases).map(([alias, version]) => `${alias} → ${version}`).join(", ")), make("td", {}, adapter.loaded ? "yes" : "no"), make("td", {}, gates));
}

/** Draws one cell for each head of each adapted layer: blue for negative gates, orange for positive ones, stronger the larger. */
async function showGates(adapter) {
  try {
    const gates = await json(`/v1/adapters/${encodeURIComponent(adapter.id)}/versions/${adapter.current_version}/gates`);
    const size = 18;
    const rows = gates.gates.length / gates.heads;
    const largest = Math.max(...gates.gates.map(Math.abs), 1e-9);
    const map = find("heat-map");
    map.setAttribute("viewBox", `0 0 ${60 + gates.heads * size} ${rows * size}`);
    map.setAttribute("width", `${60 + gates.heads * size}`);
    map.replaceChildren();
    for (let row = 0; row < rows; row++) {
      map.append(make("text", { x: "0", y: `${row * size + 13}` }, `layer ${gates.start_layer + row}`));
      for (let head = 0; head < gates.heads; head++) {
        const gate = gates.gates[row * gates.heads + head];
        map.append(make("rect", { x: `${60 + head * size}`, y: `${row * size}`, width: `${size - 1}`, height: `${size - 1}`, fill: gate < 0 ? "#2166ac" : "#d6604d", "fill-opacity": `${0.05 + 0.95 * Math.abs(gate) / largest}` },
          make("title", {}, `layer ${gates.start_layer + row}, head ${head}: ${gate.toFixed(4)}`)));
      }
    }
    find("heat-title").textContent = `Gates of ${gates.id}: a row a layer, a column a head; blue is negative, orange positive; the largest is ${largest.toFixed(3)}.`;
    find("heat").hidden = false;
  } catch (failure) {
    say(failure.message);
  }
}

/* ---- jobs ---- */

find("train").addEventListener("submit", async event => {
  event.preventDefault();
  try {
    const form = new FormData();
    form.append("purpose", "fine-tune");
    form.append("file", find("data").files[0]);
    const file = await (await call("/v1/files", { method: "POST", body: form })).json();
    const method = find("method").value;
    const job = await (await post("/v1/fine_tuning/jobs", {
      model: baseName, training_file: file.id, metadata: { adapter: find("adapter").value },
      method: { type: method, [method]: { hyperparameters: { steps: Number(find("steps").value) } } },
    })).json();
    say(`Started ${job.id}.`);
    await showJobs();
  } catch (failure) {
    say(failure.message);
  }
});

async function showJobs() {
  const jobs = (await json("/v1/fine_tuning/jobs?limit=10")).data;
  const losses = await Promise.all(jobs.map(lossesOf));
  if (changed("jobs", [jobs, losses])) {
    find("jobs").replaceChildren(...jobs.map((job, index) => jobRow(job, losses[index])));
  }
  return jobs;
}

async function lossesOf(job) {
  return (await json(`/v1/fine_tuning/jobs/${job.id}/events`)).data.filter(event => event.type === "metrics").map(event => event.data).reverse();
}

function jobRow(job, losses) {
  const actions = make("td");
  for (const [action, statuses] of [["pause", ["queued", "running"]], ["resume", ["paused"]], ["cancel", ["queued", "running", "paused"]]]) {
    if (statuses.includes(job.status)) {
      const button = make("button", { type: "button", "aria-label": `${action} ${job.id}` }, action);
      button.addEventListener("click", () => post(`/v1/fine_tuning/jobs/${job.id}/${action}`).then(showJobs, failure => say(failure.message)));
      actions.append(button, " ");
    }
  }
  return make("tr", {},
    make("th", { scope: "row" }, job.id.slice(0, 15)), make("td", {}, job.status), make("td", {}, job.fine_tuned_model ?? job.error?.message ?? ""), make("td", {}, lossCurve(losses)), actions);
}

/** The losses of a run as a line; its label says the numbers for those who do not see it. */
function lossCurve(losses) {
  if (losses.length === 0) {
    return "none yet";
  }
  const width = 220, height = 60;
  const values = losses.map(each => each.train_loss);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const x = step => 2 + (width - 4) * step / Math.max(losses.at(-1).total_steps ?? losses.at(-1).step, 1);
  const y = loss => 4 + (height - 8) * (most - loss) / Math.max(most - least, 1e-9);
  const label = `Training loss ${values[0].toFixed(3)} at step ${losses[0].step}, ${values.at(-1).toFixed(3)} at step ${losses.at(-1).step}`;
  return make("svg", { class: "curve", viewBox: `0 0 ${width} ${height + 14}`, width: `${width}`, role: "img", "aria-label": label },
    make("rect", { x: "0.5", y: "0.5", width: `${width - 1}`, height: `${height - 1}` }),
    make("polyline", { points: losses.map(each => `${x(each.step).toFixed(1)},${y(each.train_loss).toFixed(1)}`).join(" ") }),
    make("text", { x: "0", y: `${height + 11}` }, label.replace("Training loss ", "")));
}

/* ---- start ---- */

async function refresh() {
  let busy = false;
  try {
    const jobs = await showJobs();
    busy = jobs.some(job => ["queued", "running"].includes(job.status));
    await showAdapters();
  } catch (failure) {
    say(failure.message);
  }
  setTimeout(refresh, busy ? 1000 : 5000);
}

makeSlots();
await showAdapters().catch(failure => say(failure.message));
refresh();
