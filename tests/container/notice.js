// Plays JupyterLab: loads the extension as JupyterLab does, gives it pages one after the other, and prints what it has shown.
const fs = require("node:fs");
const pages = JSON.parse(process.argv[3]);
const asked = [];
const shown = [];
let looks = [];
globalThis.window = {};
console.debug = () => undefined;
globalThis.setTimeout = (look) => looks.push(look);
globalThis.fetch = async (url, options) => {
  asked.push(`${url} ${options.cache}`);
  const page = pages.shift();
  if (page === "gone") throw new Error("connection refused");
  return { ok: page !== null, json: async () => page };
};
const app = {
  serviceManager: { serverSettings: { baseUrl: "http://127.0.0.1:8888/" } },
  restored: Promise.resolve(),
  commands: { execute: async (command, args) => shown.push([command, args.id, args.message, args.type]) },
};
(0, eval)(fs.readFileSync(process.argv[2], "utf8"));
(async () => {
  const extension = window._JUPYTERLAB["fitout-notice"];
  await extension.init({});
  const plugin = (await extension.get("./extension"))();
  plugin.activate(app);
  while (pages.length) {
    await new Promise(setImmediate);
    looks.splice(0).forEach((look) => look());
  }
  await new Promise(setImmediate);
  console.log(JSON.stringify({ asked: [...new Set(asked)], starts: plugin.autoStart, shown }));
})();
