// Shows people who work in JupyterLab what Fitout's agent tells of stops. A prebuilt extension of JupyterLab, written by hand: what a builder
// would make of these lines is a bundle of theirs. The agent's status page is open to everyone on the machine; JupyterLab serves it.
(() => {
  // A notice counts whole minutes; a look costs one small file on loopback.
  const EVERY = 20_000;
  const TEXT = "This machine does not stop for now.";

  function activate(app) {
    const page = `${app.serviceManager.serverSettings.baseUrl}static/status.json`;
    const run = (command, args) => app.commands.execute(`apputils:${command}`, args);
    const terminal = { label: "Open a terminal", commandId: "terminal:create-new", displayType: "accent" };
    // What is shown: its text, and the number that JupyterLab gave it.
    let shown = null;

    async function show(message) {
      if (!shown) {
        const id = await run("notify", { message, type: "warning", options: { autoClose: false, actions: [terminal] } });
        return { id, message };
      }
      // One that somebody closed stays closed.
      if (shown.message !== message) await run("update-notification", { id: shown.id, message });
      return { ...shown, message };
    }

    async function take() {
      await run("dismiss-notification", { id: shown.id });
      await run("notify", { message: TEXT, type: "info", options: { autoClose: 10_000 } });
      return null;
    }

    async function look() {
      try {
        // What was kept of an earlier look is no news.
        const answer = await fetch(page, { cache: "no-store" });
        // Without an agent there is no page, and a server that ends is a machine that stops: neither takes a notice back.
        if (!answer.ok) return;
        const notice = (await answer.json()).stops?.notice;
        if (notice) shown = await show(notice);
        else if (shown) shown = await take();
      } catch (error) {
        console.debug("fitout-notice:", error);
      } finally {
        setTimeout(look, EVERY);
      }
    }
    app.restored.then(look);
  }

  const plugin = { id: "fitout-notice:plugin", description: "Says when this machine is about to stop.", autoStart: true, activate };
  // What JupyterLab asks of an extension: to be initialized, and for its modules by their names.
  window._JUPYTERLAB = window._JUPYTERLAB ?? {};
  window._JUPYTERLAB["fitout-notice"] = { init: () => undefined, get: async () => () => plugin };
})();
