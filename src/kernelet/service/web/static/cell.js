// One cell of the console: its code, and its output as the events bring it.

const ANSI = /\x1b(?:\[[0-?]*[ -\/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -\/]*[0-~])/g;
const IMAGES = ["image/png", "image/jpeg", "image/webp", "image/gif"];
const KEPT_CHARS = 200_000; // of one text on the page; the service keeps the rest in a file

const element = (tag, className, text) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};

/** What a terminal shows: text after a carriage return overwrites what stood in its line. */
export function overwrite(text) {
  if (!text.includes("\r")) return text;
  return text.split("\n").map((line) => line.replace(/\r+$/, "").split("\r")
    .reduce((shown, piece) => piece + shown.slice(piece.length), "")).join("\n");
}

export class Cell {
  constructor(log, code) {
    this.place = log.appendChild(element("div", "cell"));
    this.place.append(element("pre", "code", code));
    this.output = this.place.appendChild(element("div", "output"));
    this.displays = new Map();
    this.clearsNext = false;
    this.text = null; // the open stream: { type, raw, pre }
    this.lastLine = "";
  }

  take(event) {
    switch (event.type) {
      case "stdout":
      case "stderr": return this.print(event.type, event.text);
      case "result":
      case "display": return this.show(event);
      case "update_display": return this.update(event);
      case "clear_output": return event.wait ? void (this.clearsNext = true) : this.clear();
      case "error": return this.say("error", (event.traceback?.length ? event.traceback.join("\n")
        : `${event.name}: ${event.value}`));
      case "notice": return this.say("notice", event.text);
      case "done": return this.end(event.result);
    }
  }

  clear() {
    this.output.replaceChildren();
    this.displays.clear();
    this.text = null;
    this.clearsNext = false;
  }

  add(node) {
    if (this.clearsNext) this.clear();
    this.text = null;
    return this.output.appendChild(node);
  }

  say(className, text) {
    this.add(element("pre", className, text.replace(ANSI, "")));
  }

  print(type, text) {
    if (this.clearsNext) this.clear();
    if (this.text?.type !== type) {
      const pre = this.add(element("pre", type));
      this.text = { type, raw: "", pre };
    }
    const stream = this.text;
    stream.raw += text.replace(ANSI, "");
    // What stands before the last line is final; in that line the cursor may still go back.
    const last = stream.raw.lastIndexOf("\n") + 1;
    let shown = overwrite(stream.raw);
    stream.raw = overwrite(stream.raw.slice(0, last)) + stream.raw.slice(last);
    if (stream.raw.length > KEPT_CHARS) stream.raw = `…${stream.raw.slice(-KEPT_CHARS / 2)}`;
    if (shown.length > KEPT_CHARS) shown = `…${shown.slice(-KEPT_CHARS / 2)}`;
    stream.pre.textContent = shown;
    const lines = shown.split("\n").filter((line) => line.trim());
    this.lastLine = lines.at(-1) ?? this.lastLine;
  }

  show(event) {
    const place = this.add(element("div", event.type));
    this.fill(place, event.data);
    if (event.display_id) {
      const same = this.displays.get(event.display_id) ?? [];
      this.displays.set(event.display_id, [...same, place]);
    }
  }

  update(event) {
    for (const place of this.displays.get(event.display_id) ?? []) this.fill(place, event.data);
  }

  fill(place, data) {
    const image = IMAGES.find((mime) => data[mime]);
    if (image) {
      const shown = element("img");
      shown.alt = data["text/plain"] ?? "plot";
      shown.src = `data:${image};base64,${data[image].replaceAll("\n", "")}`;
      place.replaceChildren(shown);
    } else if (data["image/svg+xml"]) {
      const shown = element("img"); // as an image it can run no script
      shown.alt = data["text/plain"] ?? "drawing";
      shown.src = `data:image/svg+xml,${encodeURIComponent(data["image/svg+xml"])}`;
      place.replaceChildren(shown);
    } else if (data["text/html"]) {
      const frame = element("iframe"); // user code wrote it: no scripts, no origin, so it never sees the token
      frame.setAttribute("sandbox", "");
      frame.title = "HTML output";
      frame.srcdoc = data["text/html"];
      place.replaceChildren(frame);
    } else {
      const text = data["text/plain"] ?? data["text/markdown"] ?? JSON.stringify(data);
      place.replaceChildren(element("pre", "", String(text).replace(ANSI, "")));
    }
  }

  end(result) {
    if (result.notice) this.say("notice", result.notice);
    if (result.full_output) this.say("notice", `The whole text is in ${result.full_output}.`);
    for (const file of result.files ?? []) this.say("notice", `Wrote ${file.path} (${file.size} bytes).`);
    const seconds = ((result.timing?.exec_ms ?? 0) / 1000).toFixed(2);
    this.place.dataset.status = result.status;
    this.place.append(element("span", "numbers", `${result.status}, ${seconds} s`));
  }
}
