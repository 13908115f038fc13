// The page: the list of sessions, and the console of the one that is open.

import { Cell } from "./cell.js";
import * as service from "./service.js";

const $ = (id) => document.getElementById(id);
const REFRESH_MS = 2000;

const consoles = new Map(); // session id -> { log: element, running: { cell, since } | null }
let open = null;
let known = [];

function consoleOf(id) {
  if (!consoles.has(id)) consoles.set(id, { log: document.createElement("div"), running: null });
  return consoles.get(id);
}

const bytes = (count) => count >= 1e9 ? `${(count / 1e9).toFixed(1)} GB` : `${Math.round(count / 1e6)} MB`;
const stateOf = (session) => consoles.get(session.session_id)?.running ? "busy" : (session.state ?? "idle");

function drawSessions() {
  $("sessions").replaceChildren(...known.map((session) => {
    const button = document.createElement("button");
    const state = stateOf(session);
    button.className = state;
    button.dataset.session = session.session_id;
    if (session.session_id === open) button.setAttribute("aria-current", "true");
    const dot = button.appendChild(document.createElement("span"));
    dot.className = "dot";
    button.append(session.session_id);
    const numbers = button.appendChild(document.createElement("span"));
    numbers.className = "numbers";
    const memory = session.memory_bytes ? `, ${bytes(session.memory_bytes)}` : "";
    const runs = session.execution_count ?? 0;
    numbers.textContent = `${state}, ${runs} run${runs === 1 ? "" : "s"}${memory}`;
    button.onclick = () => choose(session.session_id);
    const item = document.createElement("li");
    item.append(button);
    return item;
  }));
}

function drawConsole() {
  $("session").hidden = open === null;
  $("nothing").hidden = open !== null || !$("sign-in").hidden;
  if (open === null) return;
  const { log, running } = consoleOf(open);
  const session = known.find((one) => one.session_id === open);
  $("title").textContent = open;
  $("state").textContent = session ? stateOf(session) : "";
  if ($("log").firstChild !== log) $("log").replaceChildren(log);
  $("interrupt").disabled = !running && session?.state !== "busy";
  $("progress").hidden = !running;
  if (running) {
    $("elapsed").textContent = `${((performance.now() - running.since) / 1000).toFixed(0)} s`;
    $("last-line").textContent = running.cell.lastLine;
  }
}

function draw() {
  drawSessions();
  drawConsole();
}

/** Do what a button stands for; what goes wrong is shown until the next one. */
async function act(what) {
  $("complaint").textContent = "";
  try {
    await what();
  } catch (error) {
    complain(error);
  }
  await refresh();
}

function choose(id) {
  open = id;
  draw();
  $("log").scrollTop = $("log").scrollHeight; // a console is read at its end
  $("code").focus();
}

function complain(error) {
  if (error instanceof service.Refused && error.status === 401) {
    $("sign-in").hidden = false;
    $("refused").textContent = sessionStorage.getItem("token") ? "The service refused this token." : "";
    open = null;
    known = [];
    return draw();
  }
  $("complaint").textContent = error.message;
}

async function refresh() {
  try {
    known = await service.sessions();
    $("service").textContent = `${known.length} session${known.length === 1 ? "" : "s"}`;
    $("sign-in").hidden = true;
    if (open !== null && !consoleOf(open).running && !known.some((one) => one.session_id === open)) open = null;
    draw();
  } catch (error) {
    complain(error);
  }
}

/** Scroll along unless the reader has scrolled back. */
function following(change) {
  const log = $("log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  change();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

async function run(id, code) {
  const console_ = consoleOf(id);
  const cell = new Cell(console_.log, code);
  console_.running = { cell, since: performance.now() };
  $("log").scrollTop = $("log").scrollHeight;
  draw();
  $("log").scrollTop = $("log").scrollHeight;
  try {
    await service.execute(id, code, (event) => {
      following(() => cell.take(event));
      if (id === open) drawConsole();
    });
  } catch (error) {
    cell.say("error", error.message);
    complain(error);
  }
  console_.running = null;
  await refresh();
}

$("create").onsubmit = (event) => {
  event.preventDefault();
  act(async () => {
    const made = await service.create($("name").value.trim());
    $("name").value = "";
    await refresh();
    choose(made.session_id);
  });
};

$("run").onsubmit = (event) => {
  event.preventDefault();
  const code = $("code").value;
  if (open === null || !code.trim()) return;
  $("code").value = "";
  run(open, code);
};

$("code").onkeydown = (event) => {
  if (event.key !== "Enter" || !(event.shiftKey || event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  $("run").requestSubmit();
};

$("interrupt").onclick = () => act(() => service.act(open, "interrupt"));
$("restart").onclick = () => act(() => service.act(open, "restart"));
$("destroy").onclick = () => act(async () => {
  const id = open;
  await service.destroy(id);
  consoles.delete(id);
  open = null;
});

$("sign-in").onsubmit = (event) => {
  event.preventDefault();
  service.signIn($("token").value);
  sessionStorage.setItem("token", $("token").value);
  refresh();
};

setInterval(() => open !== null && consoleOf(open).running && drawConsole(), 250);
setInterval(() => document.hidden || refresh(), REFRESH_MS);
refresh();
