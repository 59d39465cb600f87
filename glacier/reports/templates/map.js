// The page of maps: a slider of months over Leaflet, whose pixels are those of the region's grid.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const find = (id) => document.getElementById(id);
  const shown = { right: data.start, left: data.first, swipe: false, split: 0.5 };
  const { width, height } = data.frame;
  const BLANK = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E";

  document.documentElement.classList.add("live");

  // A pixel of the grid (column right, row down) is a place of Leaflet (latitude up, longitude).
  const place = ([x, y]) => [-y, x];
  const bounds = L.latLngBounds([-height, 0], [0, width]);
  const ground = L.extend({}, L.CRS.Simple, {
    distance: (a, b) => data.frame.pixel_m * Math.hypot(a.lat - b.lat, a.lng - b.lng),
  });

  const map = L.map("map", {
    crs: ground, zoomSnap: 0, zoomDelta: 0.5, minZoom: -8, maxZoom: 5, maxBoundsViscosity: 0.8,
    zoomControl: false, attributionControl: false, keyboard: false, scrollWheelZoom: false,
    zoomAnimation: !calm, fadeAnimation: false, inertia: !calm,
  });
  map.setMaxBounds(bounds.pad(0.4)).fitBounds(bounds, { padding: [6, 6], animate: false });
  L.control.zoom({ position: "bottomright" }).addTo(map);
  L.control.scale({ position: "bottomleft", imperial: false, maxWidth: 120 }).addTo(map);
  L.rectangle(bounds, { className: "edge", interactive: false, fill: false }).addTo(map);
  map.on("resize", () => map.fitBounds(bounds, { padding: [6, 6], animate: false }));
  const canvas = map.getContainer();
  canvas.tabIndex = 0;
  // The wheel zooms a map that was clicked; else it moves the page.
  canvas.addEventListener("focus", () => map.scrollWheelZoom.enable());
  canvas.addEventListener("blur", () => map.scrollWheelZoom.disable());

  // --- where the cursor is, between the four corners of the frame ---------------------------
  const cursor = L.control({ position: "bottomleft" });
  cursor.onAdd = () => L.DomUtil.create("div", "cursor");
  cursor.addTo(map);
  const name = (degrees, letters) => `${Math.abs(degrees).toFixed(4)}° ${letters[+(degrees < 0)]}`;
  map.on("mousemove", ({ latlng }) => {
    const u = latlng.lng / width, v = -latlng.lat / height;
    const inside = u >= 0 && u <= 1 && v >= 0 && v <= 1;
    const [nw, ne, se, sw] = data.frame.corners;
    const mix = (k) => (1 - v) * ((1 - u) * nw[k] + u * ne[k]) + v * ((1 - u) * sw[k] + u * se[k]);
    const lon = ((mix(0) + 540) % 360) - 180;
    cursor.getContainer().textContent = inside ? `${name(mix(1), "NS")} ${name(lon, "EW")}` : "";
  });

  // --- pictures and outlines: one pane a side of the swipe ----------------------------------
  const makeSide = (side) => {
    map.createPane(side).classList.add("side");
    const options = { pane: side, interactive: false };
    const renderer = L.svg({ pane: side, padding: 0.5 });
    const line = (className) =>
      L.polyline([], { ...options, renderer, className, smoothFactor: 0.5 }).addTo(map);
    const picture = L.imageOverlay(BLANK, bounds, { ...options, className: "picture" }).addTo(map);
    return { picture, lines: [line("outline-dark"), line("outline")], pane: map.getPane(side) };
  };
  const sides = { left: makeSide("left"), right: makeSide("right") };

  const layer = () => document.querySelector("input[name=layer]:checked").value;

  const drawSide = (side) => {
    const date = data.dates[shown[side]], always = data.always[layer()];
    const url = always ? always.picture : date.pictures[layer()];
    const { picture, lines } = sides[side];
    picture.setUrl(url || BLANK);
    picture.getElement().alt = always ? always.says : url ? `${layer()}, ${date.name}` : "";
    const outline = find("outline").checked ? date.outline : [];
    lines.forEach((line) => line.setLatLngs(outline.map((corners) => corners.map(place))));
    const said = find(`said-${side}`);
    said.hidden = Boolean(url) || (side === "left" && !shown.swipe);
    said.textContent = date.gap ? `${date.name}: ${date.facts}` : `${date.name}: no ${layer()}`;
  };

  // --- the swipe: each side is cut at the divider -------------------------------------------
  const cut = () => {
    const size = map.getSize(), x = shown.swipe ? shown.split * size.x : 0;
    const [top, middle, bottom] = [[0, 0], [x, 0], [size.x, size.y]].map((corner) =>
      map.containerPointToLayerPoint(corner));
    const box = (from, to) =>
      `polygon(${[[from, top.y], [to, top.y], [to, bottom.y], [from, bottom.y]]
        .map((corner) => corner.map((value) => `${value}px`).join(" ")).join(",")})`;
    sides.left.pane.style.clipPath = box(top.x, middle.x);
    sides.right.pane.style.clipPath = box(middle.x, bottom.x);
    const share = shown.swipe ? shown.split : 0;
    find("divider").style.left = `${100 * share}%`;
    find("divider").setAttribute("aria-valuenow", Math.round(100 * share));
    // Words stand in the middle of their side, where it is wide enough for them.
    const parts = [["left", share / 2, share], ["right", (1 + share) / 2, 1 - share]];
    for (const [side, middle, part] of parts) {
      const room = part * size.x - 56;
      Object.assign(find(`said-${side}`).style, {
        left: `${100 * middle}%`, maxWidth: `${Math.min(340, room)}px`,
        visibility: room < 80 ? "hidden" : "",
      });
    }
  };
  map.on("move zoom viewreset resize", cut);

  const split = (share) => {
    shown.split = Math.min(0.98, Math.max(0.02, share));
    cut();
  };
  const divider = find("divider");
  divider.addEventListener("pointerdown", (event) => {
    divider.setPointerCapture(event.pointerId);
    divider.focus();
    event.preventDefault();
  });
  divider.addEventListener("pointermove", (event) => {
    if (!divider.hasPointerCapture(event.pointerId)) return;
    const box = canvas.getBoundingClientRect();
    split((event.clientX - box.left) / box.width);
  });

  const swipe = (on) => {
    shown.swipe = on;
    document.documentElement.classList.toggle("swiping", on);
    find("swipe").setAttribute("aria-pressed", on);
    draw();
  };

  // --- all that follows from what is shown --------------------------------------------------
  const slider = find("month");
  const draw = () => {
    const date = data.dates[shown.right];
    drawSide("left");
    drawSide("right");
    cut();
    slider.value = shown.right;
    slider.setAttribute("aria-valuetext", date.name);
    find("now").textContent = date.name;
    find("facts").textContent = date.facts;
    find("chip").textContent = date.name;
    find("then").textContent = data.dates[shown.left].name;
    find("then-facts").textContent = data.dates[shown.left].facts;
    find("before").disabled = shown.right === 0;
    find("after").disabled = shown.right === data.dates.length - 1;
    find("left-month").value = shown.left;
    for (const each of document.querySelectorAll("[data-legend]"))
      each.hidden = each.dataset.legend !== layer();
    for (const each of document.querySelectorAll("[data-month]")) {
      const chosen = Number(each.dataset.month) === shown.right;
      chosen ? each.setAttribute("aria-current", "true") : each.removeAttribute("aria-current");
      if (each.matches(".calendar button")) each.tabIndex = chosen ? 0 : -1;
    }
  };
  const choose = (index) => {
    shown.right = Math.min(data.dates.length - 1, Math.max(0, index));
    draw();
  };

  slider.addEventListener("input", () => choose(Number(slider.value)));
  find("before").addEventListener("click", () => choose(shown.right - 1));
  find("after").addEventListener("click", () => choose(shown.right + 1));
  find("outline").addEventListener("change", draw);
  find("swipe").addEventListener("click", () => swipe(!shown.swipe));
  find("left-month").addEventListener("change", (event) => {
    shown.left = Number(event.target.value);
    draw();
  });
  for (const radio of document.querySelectorAll("input[name=layer]"))
    radio.addEventListener("change", draw);
  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-month]");
    if (!target) return;
    event.preventDefault();
    choose(Number(target.dataset.month));
    canvas.scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
  });

  // --- keys ---------------------------------------------------------------------------------
  const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -12, PageDown: 12 };
  const pans = { ArrowLeft: [-80, 0], ArrowRight: [80, 0], ArrowUp: [0, -80], ArrowDown: [0, 80] };

  const moveDivider = (key) => {
    const move = { ArrowLeft: -0.05, ArrowRight: 0.05 }[key];
    if (move) split(shown.split + move);
    return Boolean(move);
  };
  const moveMap = (event) => {
    const zooms = { "+": 0.5, "=": 0.5, "-": -0.5 };
    if (event.shiftKey && pans[event.key]) map.panBy(pans[event.key], { animate: !calm });
    else if (zooms[event.key]) map.setZoom(map.getZoom() + zooms[event.key]);
    else if (event.key === "0") map.fitBounds(bounds, { padding: [6, 6] });
    else return false;
    return true;
  };
  const moveMonth = (event) => {
    const inCalendar = event.target.closest(".calendar");
    const rows = inCalendar ? { ArrowUp: -12, ArrowDown: 12 } : {};
    const step = { ...steps, ...rows }[event.key];
    if (!step || event.shiftKey) return false;
    choose(shown.right + step);
    if (inCalendar) inCalendar.querySelector("button[aria-current]").focus();
    return true;
  };
  const press = (event) => {
    const key = event.key.toLowerCase(), radio = find(`layer-${key}`);
    if (key === "s") swipe(!shown.swipe);
    else if (key === "o") find("outline").click();
    else if (radio) radio.click();
    else return false;
    return true;
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("select")) return;
    const arrows = event.key.startsWith("Arrow") || event.key.startsWith("Page");
    if (arrows && event.target.matches("input")) return; // a slider and radios have their own
    const done =
      (event.target === divider && moveDivider(event.key)) ||
      (event.target === canvas && moveMap(event)) ||
      moveMonth(event) ||
      press(event);
    if (done) event.preventDefault();
  });

  draw();
})();
