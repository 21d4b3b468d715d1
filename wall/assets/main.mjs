// Starts the live parts once Dash has laid out a scene.
import "./js/here.mjs";

// Each kind of page loads its own code alone.
const KINDS = {
  planner: async () => (await import("./js/planner/app.mjs")).Planner,
  live: async () => (await import("./js/app.mjs")).App,
};

function begin() {
  const scene = document.querySelector("[data-scene]");
  if (!scene) return false;
  start(scene);
  return true;
}

async function start(scene) {
  const Page = await (KINDS[scene.dataset.scene] ?? KINDS.live)();
  const app = new Page(scene);
  window.citybrain = app; // for tests, benchmarks and the browser's console
  app.start();
}

if (!begin()) {
  const watch = new MutationObserver(() => begin() && watch.disconnect());
  watch.observe(document.documentElement, { childList: true, subtree: true });
}
