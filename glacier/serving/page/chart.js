// The area of each year with its interval, as SVG.

const NAMESPACE = "http://www.w3.org/2000/svg";
const WIDTH = 380, HEIGHT = 220, LEFT = 48, RIGHT = 374, TOP = 12, BOTTOM = 190;

const make = (kind, attributes, words) => {
  const node = document.createElementNS(NAMESPACE, kind);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (words) node.textContent = words;
  return node;
};

// Round numbers between two values, about four of them.
const listSteps = (low, high) => {
  const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((size) => size >= rough);
  const steps = [];
  for (let k = Math.ceil(low / step); k * step <= high + step * 1e-9; k++) steps.push(k * step);
  return { steps, decimals: Math.max(0, -Math.floor(Math.log10(step))) };
};

export const formatArea = (km2) => {
  const decimals = Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(Math.max(km2, 1e-6)))));
  return km2.toFixed(decimals);
};

// Draws years into an element; choose is called with the month of the one that is clicked.
export const drawChart = (place, years, shownMonth, choose) => {
  const known = years.filter(({ area_km2 }) => area_km2 !== null);
  if (!known.length) {
    const words = document.createElement("p");
    words.className = "note";
    words.textContent = "No year has an area yet.";
    place.replaceChildren(words);
    return;
  }
  const first = Math.min(...years.map(({ year }) => year));
  const last = Math.max(...years.map(({ year }) => year));
  const ends = known.flatMap(({ area_km2, low_km2, high_km2 }) =>
    [area_km2, low_km2 ?? area_km2, high_km2 ?? area_km2]);
  let [low, high] = [Math.min(...ends), Math.max(...ends)];
  const room = Math.max(high - low, high * 0.02, 1e-6) * 0.08;
  [low, high] = [Math.max(0, low - room), high + room];
  const width = (RIGHT - LEFT) / (last - first + 1);
  const x = (year) => LEFT + (year - first + 0.5) * width;
  const y = (km2) => BOTTOM - ((km2 - low) / (high - low)) * (BOTTOM - TOP);
  const name = ({ year, area_km2 }) => `${year}: ${formatArea(area_km2)}`;
  const svg = make("svg", {
    class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img",
    "aria-label": `Area by year in km². ${known.map(name).join(", ")}.`,
  });
  const { steps, decimals } = listSteps(low, high);
  for (const step of steps) {
    svg.append(
      make("line", { class: "across", x1: LEFT, x2: RIGHT, y1: y(step), y2: y(step) }),
      make("text", { x: LEFT - 6, y: y(step) + 4, "text-anchor": "end" }, step.toFixed(decimals)),
    );
  }
  const every = Math.ceil(38 / width);
  for (let year = first; year <= last; year += every) {
    svg.append(make("text", { x: x(year), y: BOTTOM + 20, "text-anchor": "middle" }, `${year}`));
  }
  known.slice(1).forEach((after, k) => {
    const before = known[k];
    if (after.year - before.year === 1) svg.append(make("line", {
      class: "link", x1: x(before.year), y1: y(before.area_km2),
      x2: x(after.year), y2: y(after.area_km2),
    }));
  });
  for (const each of known) {
    if (each.low_km2 !== null && each.high_km2 !== null) svg.append(make("line", {
      class: "whisker", x1: x(each.year), x2: x(each.year),
      y1: y(each.low_km2), y2: y(each.high_km2),
    }));
    const shown = each.month === shownMonth ? " shown" : "";
    const hit = make("rect", {
      class: "hit", x: x(each.year) - width / 2, y: TOP, width, height: BOTTOM - TOP,
    });
    hit.append(make("title", {}, `${name(each)} km²`));
    hit.addEventListener("click", () => choose(each.month));
    svg.append(make("circle", {
      class: `dot${shown}`, cx: x(each.year), cy: y(each.area_km2), r: shown ? 6 : 4.5,
    }), hit);
  }
  place.replaceChildren(svg);
};
