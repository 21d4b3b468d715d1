// Starts the live parts once Dash has laid out a scene.
import { App } from "./js/app.mjs";
import { Planner } from "./js/planner/app.mjs";
import "./js/here.mjs";

function begin() {
  const scene = document.querySelector("[data-scene]");
  if (!scene) return false;
  const app = scene.dataset.scene === "planner" ? new Planner(scene) : new App(scene);
  window.citybrain = app; // for tests, benchmarks and the browser's console
  app.start();
  return true;
}

if (!begin()) {
  const watch = new MutationObserver(() => begin() && watch.disconnect());
  watch.observe(document.documentElement, { childList: true, subtree: true });
}
