// The interface as the service describes it itself: each call with its fields, an example to send, and what it answers.

import * as service from "./service.js";

const $ = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const pretty = (value) => typeof value === "string" ? value : JSON.stringify(value, null, 2);

class Document {
  constructor(openapi) {
    this.openapi = openapi;
  }

  follow(schema) {
    return schema?.$ref ? this.openapi.components.schemas[schema.$ref.split("/").at(-1)] : (schema ?? {});
  }

  example(content) {
    const schema = content.schema?.anyOf?.[0] ?? content.schema;
    return content.example ?? this.follow(schema).example;
  }

  /** What type a field has, in a word or two. */
  kind(schema) {
    if (schema.anyOf) return schema.anyOf.map((one) => this.kind(one)).join(" or ");
    if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
    if (schema.const) return JSON.stringify(schema.const);
    return schema.type ?? this.follow(schema).title ?? "anything";
  }

  fields(operation, body) {
    const required = new Set(body?.required ?? []);
    const rows = (operation.parameters ?? []).map((one) => [one.name, one.in, one.schema, one.required, one.description]);
    for (const [name, schema] of Object.entries(body?.properties ?? {})) {
      rows.push([name, "body", schema, required.has(name), schema.description]);
    }
    return rows.map(([name, place, schema, needed, description]) => {
      const standard = schema.default === undefined || schema.default === null ? "" : `default ${JSON.stringify(schema.default)}`;
      return element("tr", {}, element("th", { textContent: name }), ...[place, this.kind(schema),
        needed ? "required" : standard, description ?? ""].map((text) => element("td", { textContent: text })));
    });
  }
}

/** A form that sends the call as it stands there. */
function trial(document_, path, method, operation) {
  const [mime, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  const inputs = (operation.parameters ?? []).map((one) => element("input", {
    name: one.name, value: one.schema.examples?.[0] ?? "", placeholder: one.name, ariaLabel: one.name }));
  const body = content && element("textarea", {
    rows: 4, spellcheck: false, ariaLabel: "Body", value: pretty(document_.example(content) ?? "") });
  const answer = element("pre", { className: "answer" });
  const form = element("form", {}, ...inputs, ...(body ? [body] : []), element("button", { textContent: "Send" }));
  form.onsubmit = async (event) => {
    event.preventDefault();
    const query = new URLSearchParams();
    let where = path.slice(1);
    for (const [at, one] of (operation.parameters ?? []).entries()) {
      const value = inputs[at].value;
      if (one.in === "path") where = where.replace(`{${one.name}}`, encodeURIComponent(value).replaceAll("%2F", "/"));
      else if (value) query.set(one.name, value);
    }
    answer.textContent = "…";
    const response = await service.raw(method.toUpperCase(), `${where}${query.size ? `?${query}` : ""}`, mime, body?.value);
    const text = await response.text();
    let shown = text;
    try {
      shown = pretty(JSON.parse(text));
    } catch { /* text, or a stream: as it came */ }
    answer.textContent = `${response.status} ${response.statusText}\n${shown}`;
  };
  return [form, answer];
}

function curl(document_, path, method, operation) {
  const where = path.replace(/{(\w+)}/g, (_, name) =>
    operation.parameters.find((one) => one.name === name)?.schema.examples?.[0] ?? name);
  const [mime, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  const sent = mime === "application/json"
    ? ` \\\n  -H 'Content-Type: application/json' -d '${JSON.stringify(document_.example(content)).replaceAll("'", "'\\''")}'`
    : mime ? " \\\n  --data-binary @FILE" : "";
  const token = operation.security?.length === 0 ? "" : ` -H "Authorization: Bearer $TOKEN"`;
  return `curl -X ${method.toUpperCase()} ${location.origin}${where}${token}${sent}`;
}

function card(document_, path, method, operation) {
  const body = document_.follow(operation.requestBody?.content["application/json"]?.schema?.anyOf?.[0]
    ?? operation.requestBody?.content["application/json"]?.schema);
  const made = element("details", { className: "operation" }, element("summary", {},
    element("code", { textContent: `${method.toUpperCase()} ${path}` }), ` ${operation.description ?? ""}`));
  const rows = document_.fields(operation, body);
  if (rows.length) made.append(element("table", {}, ...rows));
  made.append(element("pre", { textContent: curl(document_, path, method, operation) }),
    ...trial(document_, path, method, operation));
  for (const [status, response] of Object.entries(operation.responses)) {
    made.append(element("p", {}, element("b", { textContent: status }), ` ${response.description}`));
    if (status >= "300") continue;
    for (const [mime, content] of Object.entries(response.content ?? {})) {
      made.append(element("pre", { textContent: `${mime}\n${pretty(document_.example(content) ?? "")}` }));
    }
  }
  return made;
}

async function show() {
  let openapi;
  try {
    openapi = await service.document();
  } catch (error) {
    $("sign-in").hidden = error.status !== 401;
    $(error.status === 401 ? "refused" : "about").textContent =
      error.status !== 401 || sessionStorage.getItem("token") ? error.message : "";
    return;
  }
  const document_ = new Document(openapi);
  $("sign-in").hidden = true;
  $("version").textContent = openapi.info.version;
  $("about").textContent = openapi.info.description;
  $("raw").href = URL.createObjectURL(new Blob([pretty(openapi)], { type: "application/json" }));
  const groups = new Map();
  for (const [path, operations] of Object.entries(openapi.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const group = operation.tags?.[0] ?? "";
      groups.set(group, [...(groups.get(group) ?? []), card(document_, path, method, operation)]);
    }
  }
  $("operations").replaceChildren(...[...groups].flatMap(([name, cards]) =>
    [element("h2", { textContent: name }), ...cards]));
}

$("sign-in").onsubmit = (event) => {
  event.preventDefault();
  service.signIn($("token").value);
  sessionStorage.setItem("token", $("token").value);
  show();
};
show();
