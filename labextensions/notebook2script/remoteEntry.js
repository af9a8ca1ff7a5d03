// What notebook2script_jupyter.py says at the save of a notebook, as a notification of JupyterLab's. It stays until the next save.
// Plain JavaScript: JupyterLab asks a prebuilt extension for init and get only, and nothing here needs a package of its own.
const plugin = {
  id: 'notebook2script:saved',
  description: 'Shows what an export at the save of a notebook has to say.',
  autoStart: true,
  activate: app => {
    const shown = {};                                             // notebook -> the notification that speaks of it
    const run = (name, args) => app.commands.execute('apputils:' + name, args);
    const show = async ({ path, kind, message }) => {
      if (shown[path]) await run('dismiss-notification', { id: shown[path] });
      shown[path] = message && await run('notify', { message, type: kind, options: { autoClose: false } });
    };
    let last = Promise.resolve();                                 // one after the other, however quickly they come
    app.serviceManager.events.stream.connect((_, event) => {
      if (event.schema_id === 'urn:notebook2script:saved') last = last.then(() => show(event)).catch(console.error);
    });
  }
};

(window._JUPYTERLAB ??= {}).notebook2script = {
  init: () => {},
  get: () => Promise.resolve(() => ({ __esModule: true, default: plugin }))
};
