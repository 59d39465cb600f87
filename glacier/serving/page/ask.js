// What the page asks the service: values, files, tiles, and maps that take long.

const KEY = "glacier-token";
let onRefused = () => {};

export const setRefused = (act) => { onRefused = act; };
export const token = () => sessionStorage.getItem(KEY) || "";
export const setToken = (text) => sessionStorage.setItem(KEY, text);

const headers = (more = {}) =>
  token() ? { ...more, Authorization: `Bearer ${token()}` } : more;

// Why a request was refused, in the service's own words.
const explain = (status, text) => {
  try {
    const { detail, title } = JSON.parse(text);
    return typeof detail === "string" ? detail : title || `status ${status}`;
  } catch {
    return `the service answered with status ${status}`;
  }
};

class Refusal extends Error {
  constructor(status, text) {
    super(explain(status, text));
    this.status = status;
    if (status === 401) onRefused(this.message);
  }
}

export const ask = async (address, options = {}) => {
  let answer;
  try {
    answer = await fetch(address, { ...options, headers: headers(options.headers) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the service cannot be reached; is it still running?");
  }
  if (!answer.ok) throw new Refusal(answer.status, await answer.text());
  return answer;
};

export const askJson = async (address, options = {}) =>
  (await ask(address, { ...options, headers: { Accept: "application/json" } })).json();

// All outlines of a question, page after page. The address of a next page is taken as a question of
// this service, whatever name a proxy in front of it has.
export const askOutlines = async (query, signal) => {
  const features = [];
  let next = `collections/outlines/items?${new URLSearchParams({ ...query, limit: 1000 })}`;
  while (next) {
    const page = await askJson(next, { signal });
    features.push(...page.features);
    const link = page.links.find(({ rel }) => rel === "next");
    next = link ? `collections/outlines/items${new URL(link.href).search}` : "";
  }
  return features;
};

// A link to a file. With a token it has to be fetched, since a link cannot carry one.
export const linkFile = (href, name, words) => {
  const link = document.createElement("a");
  link.href = href;
  link.download = name;
  link.textContent = words;
  link.addEventListener("click", async (event) => {
    if (!token()) return;
    event.preventDefault();
    const address = URL.createObjectURL(await (await ask(href)).blob());
    const sent = document.createElement("a");
    sent.href = address;
    sent.download = name;
    sent.click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  });
  return link;
};

// Send an image, or the name of one, to be mapped in the background, and explained; gives the job.
export const sendImage = (body, kind, explains, onSent) => new Promise((resolve, reject) => {
  const request = new XMLHttpRequest();  // fetch does not tell how much is sent
  request.open("POST", explains ? "maps?explain=true" : "maps");
  for (const [name, value] of Object.entries(headers({
    "Content-Type": kind, Prefer: "respond-async", Accept: "application/json",
  }))) request.setRequestHeader(name, value);
  request.upload.onprogress = (event) => {
    if (event.lengthComputable) onSent(event.loaded / event.total);
  };
  request.onerror = () => reject(new Error(
    "the image could not be sent: the service closed the connection, or cannot be reached"));
  request.onload = () => {
    if (request.status === 201) resolve(JSON.parse(request.responseText));
    else reject(new Refusal(request.status, request.responseText));
  };
  request.send(body);
});

// An address that the service gave, as this page reaches it.
export const below = (href, start) => href.slice(href.indexOf(`/${start}`) + 1);
