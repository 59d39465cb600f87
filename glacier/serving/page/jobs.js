// Own images: sent, mapped in the background, shown.

import { ask, askJson, below, linkFile, sendImage } from "./ask.js";
import { formatArea } from "./chart.js";

const POLL_MS = 1000, SLOWEST_MS = 5000;
const ENDED = ["successful", "failed", "dismissed"];

const make = (kind, words = "", className = "") => {
  const node = document.createElement(kind);
  node.textContent = words;
  if (className) node.className = className;
  return node;
};

const wait = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// One image in the list, from the first byte to its outlines.
class Job {
  constructor(list, name, page) {
    [this.name, this.page, this.id, this.gone] = [name, page, "", false];
    this.card = make("li", "", "job");
    this.said = make("p", "is being sent", "said");
    this.bar = make("progress");
    this.bar.setAttribute("aria-label", `Progress of ${name}`);
    this.bar.max = 1;
    this.cancel = make("button", "Cancel");
    this.cancel.type = "button";
    this.cancel.setAttribute("aria-label", `Cancel ${name}`);
    this.cancel.addEventListener("click", () => this.dismiss());
    this.card.append(make("h3", name), this.said, this.bar, this.cancel);
    list.prepend(this.card);
  }

  say(words, loud = false) {
    this.said.textContent = words;
    if (loud) this.page.say(`${this.name}: ${words}`, this.card.classList.contains("bad"));
  }

  fail(words) {
    if (this.gone) return;
    this.card.classList.add("bad");
    this.bar.remove();
    this.cancel.textContent = "Remove";
    this.cancel.setAttribute("aria-label", `Remove ${this.name}`);
    this.say(words, true);
  }

  async send(body, kind) {
    try {
      const job = await sendImage(body, kind, this.page.explains(), (share) => { this.bar.value = share; });
      this.id = job.jobID;
      this.onKnown(this.id);
      if (this.gone) await this.forget();
      else await this.follow(job);
    } catch (error) {
      this.fail(error.message);
    }
  }

  // Waits until a job has ended; what was asked for before the page was loaded is not drawn.
  async follow(job, isNew = true) {
    this.bar.removeAttribute("value");  // nobody knows how far it is
    let pause = POLL_MS;
    while (!ENDED.includes(job.status)) {
      if (typeof job.progress === "number") this.bar.value = job.progress / 100;
      this.say(job.message || job.status);
      await wait(pause);
      if (this.gone) return;
      job = await askJson(`jobs/${this.id}`);
      pause = Math.min(SLOWEST_MS, pause * 1.2);
    }
    if (this.gone) return;
    if (job.status === "successful") await this.show(isNew);
    else this.fail(job.message || job.status);
  }

  async show(isNew) {
    const { result, ...files } = await askJson(`jobs/${this.id}/results`);
    const { value } = result, { model } = value;
    this.bar.remove();
    const [low, high] = [value.low_km2, value.high_km2].map(formatArea);
    const sentences = make("details"), list = make("ul");
    sentences.open = model.sha256 !== this.page.readModel;
    list.append(...model.says.map((sentence) => make("li", sentence)));
    sentences.append(make("summary", `What is to be known of ${model.encoders.join(", ")}`), list);
    const area = make("p", `${formatArea(value.area_km2)} km²`, "area");
    const interval = make("p", `90 %: ${low} to ${high} km². The interval: ${value.why}.`, "note");
    if (value.most_km2 > 1.005 * value.area_km2) {
      interval.append(` Were all that was not seen glacier, it would be ${formatArea(value.most_km2)} km².`);
    }
    if (value.seen_pixel_m) {
      interval.append(` The model saw it in pixels of ${value.seen_pixel_m} m, not its own.`);
    }
    const why = make("div", "", "why");
    if (value.explanation) {
      const { sentences: told, reason } = value.explanation, words = make("ul");
      words.append(...(told.length ? told : [reason]).map((sentence) => make("li", sentence)));
      why.append(make("h4", "What decides"), words);
    }
    const links = make("ul", "", "files");
    const { outlines, class: classes, probability } = files;
    for (const [link, end] of [[outlines, "geojson"], [classes, "class.tif"],
      [probability, "probability.tif"]]) {
      const item = make("li");
      item.append(linkFile(below(link.href, "jobs/"), `${this.name}.${end}`, link.title));
      links.append(item);
    }
    const onMap = make("button", "Show on the map");
    onMap.type = "button";
    onMap.addEventListener("click", () => this.draw(value, files));
    this.cancel.textContent = "Remove";
    this.cancel.setAttribute("aria-label", `Remove ${this.name}`);
    this.cancel.before(sentences, area, interval, why, links, onMap, " ");
    this.say("the map is made", isNew);
    if (isNew) await this.draw(value, files);
  }

  async draw(value, files) {
    try {
      const [outlines, picture] = await Promise.all([
        ask(below(files.outlines.href, "jobs/")).then((answer) => answer.json()),
        ask(`jobs/${this.id}/preview.png`).then((answer) => answer.blob()),
      ]);
      this.page.showAnswer(this.name, value, outlines.features, URL.createObjectURL(picture));
    } catch (error) {
      this.page.say(`${this.name}: ${error.message}`, true);
    }
  }

  async dismiss() {
    this.gone = true;
    this.card.remove();
    this.page.say(`${this.name}: removed`);
    await this.forget();
  }

  async forget() {
    if (!this.id) return;
    try {
      await ask(`jobs/${this.id}`, { method: "DELETE" });
    } catch (error) {
      if (error.status !== 404) this.page.say(error.message, true);
    }
  }
}

export const openJobs = (list, page) => {
  const known = new Set();
  let resumed = Promise.resolve();
  const send = async (name, body, kind) => {
    const job = new Job(list, name, page);
    job.onKnown = (id) => known.add(id);
    await resumed.catch(() => {});  // else it would be found among the older ones
    await job.send(body, kind);
  };
  const resume = async () => {
    const { jobs } = await askJson("jobs");
    for (const found of [...jobs].reverse()) {
      if (known.has(found.jobID)) continue;
      known.add(found.jobID);
      const job = new Job(list, `Map of ${new Date(found.created).toLocaleString()}`, page);
      job.id = found.jobID;
      job.follow(found, false).catch((error) => job.fail(error.message));
    }
  };
  return {
    sendFile: (file) => send(file.name, file, "image/tiff"),
    sendMonth: (region, month) =>
      send(`${region} ${month}`, JSON.stringify({ region, month }), "application/json"),
    // Those that were asked for before the page was loaded anew.
    resume() {
      resumed = resume();
      return resumed;
    },
  };
};
