// Tells the server, at most once a minute, that somebody is there: a session that nobody uses ends by itself.

const EVERY_MS = 60000;
let told = 0;

function here() {
  if (Date.now() - told < EVERY_MS) return;
  told = Date.now();
  fetch("/session", { method: "POST" }).catch((error) => console.warn("the server does not answer", error));
}

for (const event of ["keydown", "pointerdown", "wheel"]) addEventListener(event, here, { capture: true, passive: true });
