// The service worker: keeps the page so that it starts without a line, and sends the queue when the line is back.
import { send } from "/assets/js/pocket/queue.mjs";

const BUILD = "@build";
const SHELL = "@shell";
const DATA = "/pocket/boot.json";
const LINE_MS = 3000; // a line that is slower than this is as good as none for the page itself

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("sync", (event) => { if (event.tag === "queue") event.waitUntil(deliver()); });
self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin) return;
  if (url.pathname === "/pocket" || url.pathname === DATA) event.respondWith(freshOrKept(event.request, url.pathname));
  else if (SHELL.includes(url.pathname)) event.respondWith(keptOrFresh(event.request, url.pathname));
});

async function install() {
  const cache = await caches.open(BUILD);
  await cache.addAll([...SHELL, DATA].map((path) => new Request(path, { cache: "reload" })));
  await self.skipWaiting();
}

async function activate() {
  for (const name of await caches.keys()) if (name !== BUILD) await caches.delete(name);
  await self.clients.claim();
}

// Asks the browser to come again, with longer and longer pauses, until all is sent.
async function deliver() {
  if (await send() === "away") throw new Error("the line is away still");
}

async function freshOrKept(request, path) {
  const cache = await caches.open(BUILD);
  try {
    const answer = await fetch(request, { signal: AbortSignal.timeout(LINE_MS) });
    if (answer.ok && !answer.redirected) await cache.put(path, answer.clone());
    if (answer.ok || answer.type === "opaqueredirect" || answer.status < 500) return answer;
  } catch (error) {
    console.info("from the phone's own copy:", error.message);
  }
  return (await cache.match(path)) ?? Response.error();
}

async function keptOrFresh(request, path) {
  const cache = await caches.open(BUILD);
  return (await cache.match(path)) ?? fetch(request);
}
