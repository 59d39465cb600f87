// The page: a region, its months, areas and files, and images of one's own.

import { askJson, askOutlines, linkFile, setRefused, setToken } from "./ask.js";
import { drawChart, formatArea } from "./chart.js";
import { openMap } from "./ground.js";
import { openJobs } from "./jobs.js";

const find = (id) => document.getElementById(id);
const map = openMap(find("map"));
const state = { region: null, month: 0, layer: "", asked: null };
const seen = new Map();  // outlines by region and month
const MOST_SEEN = 60;

const say = (words, bad = false) => {
  find("status").textContent = words;
  find("status").classList.toggle("bad", bad);
};

const make = (kind, words, className = "") => {
  const node = document.createElement(kind);
  node.textContent = words;
  if (className) node.className = className;
  return node;
};

const nameMonth = (month) => new Date(`${month}-15T12:00:00Z`)
  .toLocaleDateString("en", { year: "numeric", month: "long", timeZone: "UTC" });

const describe = (month) => {
  const parts = [];
  if (month.area_km2 !== null) {
    const ends = [month.low_km2, month.high_km2];
    const between = ends.includes(null) ? "" :
      ` (${state.region.level_percent} %: ${ends.map(formatArea).join(" to ")})`;
    parts.push(`${formatArea(month.area_km2)} km²${between}`);
  } else parts.push("no area");
  if (month.gap) parts.push("does not count");
  if (month.mapped && month.seen_share !== null) {
    parts.push(`${Math.round(100 * month.seen_share)} % seen`);
  }
  return parts.join(" · ");
};

// Why a month counts or does not, and what its year makes of it.
const explain = (month) => {
  const sentences = [];
  if (month.why) sentences.push(`${nameMonth(month.month)} ${month.why}.`);
  const year = state.region.years.find((each) => each.month === month.month);
  if (year && year.area_km2 !== null) {
    const ends = [year.low_km2, year.high_km2].map(formatArea).join(" to ");
    sentences.push(`It stands for ${year.year}: ${formatArea(year.area_km2)} km² `
      + `(${state.region.level_percent} %: ${ends}) on the ground that all years saw.`);
    if (year.interval_why) sentences.push(`The interval: ${year.interval_why}.`);
  }
  return sentences.join(" ");
};

const shownStyle = () => ({
  outline: find("outline").checked, band: find("band").checked, pixelM: state.region?.pixel_m,
});

const over = (words) => {
  find("over").hidden = !words;
  find("over").textContent = words;
};

const listFiles = (place, files) => {
  place.replaceChildren(...files.map(({ href, name, says }) => {
    const item = make("li", "");
    item.append(linkFile(href, name, says === "Table" ? name : says));
    return item;
  }));
};

const drawYears = (month) => {
  const { years } = state.region;
  drawChart(find("chart"), years, month, choose);
  find("numbers").hidden = !years.length;
  find("level").textContent = `${state.region.level_percent} % interval`;
  find("rows").replaceChildren(...years.map((year) => {
    const row = make("tr", "");
    const head = make("th", `${year.year}`);
    head.scope = "row";
    const known = year.area_km2 !== null, ends = [year.low_km2, year.high_km2];
    row.append(head, make("td", year.month ? year.month.slice(5) : "", "text"),
      make("td", known ? formatArea(year.area_km2) : "–"),
      make("td", known && !ends.includes(null) ? ends.map(formatArea).join(" to ") : year.why,
        known ? "" : "text"));
    return row;
  }));
};

// Outlines are asked for when the slider rests, once a month.
const fetchOutlines = async (region, month) => {
  const key = `${region}/${month}`;
  if (!seen.has(key)) {
    const [year, number] = month.split("-").map(Number);
    const query = { region, year, month: number };
    seen.set(key, await askOutlines(query, state.asked.signal));
    if (seen.size > MOST_SEEN) seen.delete(seen.keys().next().value);
  }
  return seen.get(key);
};

const showMonth = async (place) => {
  const { region } = state, month = region.months[place];
  state.month = place;
  state.asked?.abort();
  state.asked = new AbortController();
  const { signal } = state.asked, last = region.months.length - 1;
  find("before").disabled = place <= 0;
  find("after").disabled = place >= last;
  if (!month) return;
  const words = describe(month);
  find("month").value = place;
  find("month").setAttribute("aria-valuetext", `${nameMonth(month.month)}: ${words}`);
  find("now").replaceChildren(make("b", nameMonth(month.month)), make("span", words));
  find("why").textContent = explain(month);
  find("back").hidden = true;
  find("month-files-title").textContent = nameMonth(month.month);
  listFiles(find("month-files"), month.files);
  drawYears(month.month);
  over(month.mapped ? "" : `No map: ${nameMonth(month.month)} ${month.why}`);
  find("map-month").hidden = month.mapped || !month.has_image;
  map.showTiles(month.mapped && state.layer
    ? `tiles/${state.layer}/${region.name}/${month.month}` : null);
  if (!month.mapped) {
    map.showOutlines([], shownStyle());
    return;
  }
  try {
    const features = await fetchOutlines(region.name, month.month);
    if (!signal.aborted) map.showOutlines(features, shownStyle());
  } catch (error) {
    if (error.name !== "AbortError") say(error.message, true);
  }
};

const choose = (month) => {
  const place = state.region.months.findIndex((each) => each.month === month);
  if (place >= 0) showMonth(place);
};

const listLayers = (layers) => {
  if (!layers.some(({ name }) => name === state.layer)) state.layer = layers[0]?.name ?? "";
  find("layers").replaceChildren(...layers.map(({ name, title }) => {
    const label = make("label", ""), input = make("input", "");
    Object.assign(input, { type: "radio", name: "layer", value: name, checked: name === state.layer });
    input.addEventListener("change", () => { state.layer = name; showMonth(state.month); });
    label.append(input, make("span", title));
    return label;
  }));
};

const showRegion = async (name) => {
  try {
    state.region = await askJson(`run/${encodeURIComponent(name)}`);
  } catch (error) {
    say(error.message, true);
    return;
  }
  const { months, bounds, says, layers } = state.region;
  find("says").textContent = says;
  map.moveTo(bounds);
  listLayers(layers);
  find("time").hidden = !months.length;
  find("month").max = Math.max(0, months.length - 1);
  find("first").textContent = months.length ? nameMonth(months[0].month) : "";
  find("last").textContent = months.length > 1 ? nameMonth(months.at(-1).month) : "";
  if (!months.length) {
    over("This run has no maps yet.");
    drawYears("");
    listFiles(find("month-files"), []);
    find("now").textContent = "";
    return;
  }
  const counted = months.findLastIndex((month) => month.mapped && !month.gap);
  await showMonth(counted >= 0 ? counted : months.length - 1);
};

const showModel = async () => {
  const model = await askJson("model");
  page.readModel = model.sha256;
  find("model-says").replaceChildren(...model.says.map((sentence) => make("li", sentence)));
  const facts = [`Answered by ${model.encoders.join(", ")}`];
  if (model.iou !== null) facts.push(`IoU ${model.iou.toFixed(2)} on ground that it never saw`);
  if (model.area_error !== null) {
    facts.push(`area off by ${Math.round(100 * model.area_error)} % on test images`);
  }
  find("model-facts").textContent = `${facts.join(", ")}.`;
  find("model").hidden = false;
  const [least, most] = model.pixel_m.map((side) => Number(side.toFixed(1)));
  const sides = least === most ? least : `${least} to ${most}`;
  find("wanted").textContent =
    `A GeoTIFF with the bands ${model.bands.join(", ")}, in pixels of ${sides} m.`;
};

const page = {
  say,
  readModel: "",  // checksum of the one whose sentences stand above all numbers
  showAnswer(name, value, features, picture) {
    const area = `${formatArea(value.area_km2)} km²`;
    const ends = [value.low_km2, value.high_km2].map(formatArea).join(" to ");
    over("");
    find("now").replaceChildren(make("b", name), make("span", `${area} (90 %: ${ends})`));
    find("why").textContent = `The interval: ${value.why}.`;
    find("back").hidden = !state.region?.months.length;
    state.asked?.abort();  // the outlines of a month that nobody waits for any more
    map.showPicture(picture, value.bounds);
    map.showOutlines(features, { ...shownStyle(), pixelM: null });
    find("map").scrollIntoView({ block: "center" });
  },
  explains: () => find("explain").checked,
};
const jobs = openJobs(find("jobs"), page);

// --- the controls ------------------------------------------------------------------------------
find("region").addEventListener("change", (event) => showRegion(event.target.value));
find("month").addEventListener("input", (event) => showMonth(Number(event.target.value)));
find("before").addEventListener("click", () => showMonth(state.month - 1));
find("after").addEventListener("click", () => showMonth(state.month + 1));
find("back").addEventListener("click", () => {
  map.moveTo(state.region.bounds);
  showMonth(state.month);
});
for (const id of ["outline", "band"]) {
  find(id).addEventListener("change", () =>
    map.restyle({ outline: find("outline").checked, band: find("band").checked }));
}
find("map-month").addEventListener("click", () =>
  jobs.sendMonth(state.region.name, state.region.months[state.month].month));
find("file").addEventListener("change", (event) => {
  for (const file of event.target.files) jobs.sendFile(file);
  event.target.value = "";
});
const drop = find("drop");
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  // A file that misses the field would else be opened in place of the page.
  document.addEventListener(kind, (event) => event.preventDefault());
  drop.addEventListener(kind, () => {
    drop.classList.toggle("over-it", kind === "dragenter" || kind === "dragover");
  });
}
drop.addEventListener("drop", (event) => {
  for (const file of event.dataTransfer.files) jobs.sendFile(file);
});
find("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  setToken(find("token").value.trim());
  find("token-form").hidden = true;
  start();
});
setRefused((words) => {
  find("token-form").hidden = false;
  say(words, true);
});

const start = async () => {
  say("");
  find("address").textContent = new URL(".", location.href).href;
  const quiet = () => {};  // the rest of the page works without; a refusal has been said
  showModel().catch(quiet);
  jobs.resume().catch(quiet);
  try {
    const run = await askJson("run");
    find("title").textContent = run.name;
    document.title = `${run.name}: glacier maps`;
    find("region").replaceChildren(...run.regions.map(({ name, title }) => {
      const option = make("option", title);
      option.value = name;
      return option;
    }));
    listFiles(find("files"), run.files);
    if (run.regions.length) await showRegion(run.regions[0].name);
  } catch (error) {
    say(error.message, true);
  }
};
start();
