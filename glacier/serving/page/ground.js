// The map: tiles, outlines with their band of uncertainty, and the picture of an own image.
/* global L */

import { ask } from "./ask.js";

const MAX_ZOOM = 18;

// Tiles that are fetched, so that a token goes with them; those that nobody waits for are ended.
const Tiles = L.GridLayer.extend({
  initialize(options) {
    L.setOptions(this, options);
    this.on("tileunload", ({ tile }) => tile.stop.abort());
  },
  createTile(coords, done) {
    const tile = document.createElement("img");
    tile.alt = "";
    tile.stop = new AbortController();
    const { z, x, y } = coords;
    ask(`${this.options.place}/${z}/${x}/${y}.png`, { signal: tile.stop.signal })
      .then((answer) => answer.blob())
      .then((picture) => {
        const address = URL.createObjectURL(picture);
        tile.onload = () => { URL.revokeObjectURL(address); done(null, tile); };
        tile.src = address;
      })
      .catch((error) => { if (error.name !== "AbortError") done(error, tile); });
    return tile;
  },
});

export const openMap = (element) => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const map = L.map(element, {
    attributionControl: false, zoomControl: false, scrollWheelZoom: false, fadeAnimation: false,
    zoomAnimation: !calm, inertia: !calm, maxZoom: MAX_ZOOM, maxBoundsViscosity: 0.8,
    keyboardPanDelta: 60,
  }).setView([0, 0], 2);
  L.control.zoom({ position: "bottomright" }).addTo(map);
  L.control.scale({ position: "bottomleft", imperial: false }).addTo(map);
  // The wheel zooms a map that was clicked or tabbed to; else it moves the page.
  element.addEventListener("focus", () => map.scrollWheelZoom.enable());
  element.addEventListener("blur", () => map.scrollWheelZoom.disable());
  let tiles = null, picture = null, bounds = null, lines = [], features = [], style = {};

  const metresPerPixel = () => 40075016.7 * Math.cos((map.getCenter().lat * Math.PI) / 180)
    / (256 * 2 ** map.getZoom());

  const drawLines = () => {
    lines.forEach((line) => line.remove());
    lines = [];
    if (!features.length) return;
    const add = (className, weight) => {
      const options = { className, interactive: false, smoothFactor: 0.5, fill: false };
      const line = L.geoJSON({ type: "FeatureCollection", features },
        { interactive: false, style: weight ? { ...options, weight } : options });
      lines.push(line.addTo(map));
    };
    const band = style.band && style.pixelM ? style.pixelM / metresPerPixel() : 0;
    if (band > 4) add("around", band);
    if (style.outline) { add("dark"); add("line"); }
  };
  map.on("zoomend", drawLines);

  const look = (box, pad = 8) => {
    map.setMaxBounds(null);
    map.fitBounds(box, { padding: [pad, pad], animate: false });
    map.setMaxBounds(L.latLngBounds(box).pad(1.2));
  };
  const toBox = ([west, south, east, north]) =>
    [[south, west], [north, east < west ? east + 360 : east]];

  return {
    // Shows other ground, by its west, south, east and north.
    moveTo(box) {
      bounds = box && toBox(box);
      if (bounds) look(bounds);
    },
    showTiles(place) {
      const before = tiles;
      tiles = place && bounds ? new Tiles({ place, bounds, maxNativeZoom: 16 }).addTo(map) : null;
      if (picture) { picture.remove(); picture = null; }
      if (!before) return;
      // What was there stays until the next is, so that the slider does not flicker.
      if (tiles) tiles.once("load", () => before.remove()); else before.remove();
      setTimeout(() => before.remove(), 1500);
    },
    showPicture(address, box) {
      this.showTiles(null);
      const frame = toBox(box);
      picture = L.imageOverlay(address, frame, { alt: "Probability of glacier" }).addTo(map);
      picture.once("load error", () => URL.revokeObjectURL(address));
      look(frame);
    },
    showOutlines(found, shown) {
      [features, style] = [found, shown];
      drawLines();
    },
    restyle(shown) {
      style = { ...style, ...shown };
      drawLines();
    },
    leaflet: map,
  };
};
