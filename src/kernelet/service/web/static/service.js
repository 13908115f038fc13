// The service as this page uses it: one function per call. No elements of the page here.

let token = new URLSearchParams(location.search).get("token") ?? sessionStorage.getItem("token") ?? "";
if (location.search.includes("token=")) history.replaceState(null, "", location.pathname); // not into the history

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export function signIn(given) {
  token = given;
}

async function send(method, path, { body, accept } = {}) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (accept) headers.Accept = accept;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  if (response.ok) {
    sessionStorage.setItem("token", token);
    return response;
  }
  const text = await response.text();
  let message = text.slice(0, 300);
  try {
    const answer = JSON.parse(text);
    const told = answer.detail ?? answer.error ?? answer.message;
    message = typeof told === "string" ? told : (told?.message ?? JSON.stringify(told));
  } catch { /* whoever answered writes no JSON: its text is the message */ }
  throw new Refused(response.status, message || `status ${response.status}`);
}

/** Send what somebody wrote, and return the answer whatever it is. */
export function raw(method, path, type, body) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  if (type) headers["Content-Type"] = type;
  return fetch(path, { method, headers, body });
}

const at = (id, rest = "") => `v1/sessions/${encodeURIComponent(id)}${rest}`;
const json = async (promise) => (await promise).json();

export const document = () => json(send("GET", "openapi.json"));
export const health = () => json(send("GET", "health"));
export const sessions = async () => {
  const answer = await json(send("GET", "v1/sessions"));
  return answer.sessions ?? answer;
};
export const create = (name) => json(send("POST", "v1/sessions", { body: name ? { session_id: name } : {} }));
export const destroy = (id) => json(send("DELETE", at(id)));
export const act = (id, verb) => json(send("POST", at(id, `/${verb}`)));

/** Run code; call `take` with each event as it comes. Resolves when the stream ends. */
export async function execute(id, code, take) {
  // What a page that is closed leaves running is interrupted by the service.
  const response = await send("POST", at(id, "/execute"), { body: { code }, accept: "application/x-ndjson" });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.trim()) take(JSON.parse(line));
  }
  if (rest.trim()) take(JSON.parse(rest));
}
