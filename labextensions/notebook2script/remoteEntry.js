// What notebook2script_jupyter.py says at the save of a notebook, as a notification of JupyterLab's. It stays until the next save.
// Plain JavaScript: JupyterLab asks a prebuilt extension for init and get only, and nothing here needs a package of its own.
const plugin = {
  id: 'notebook2script:saved',
  description: 'Shows what an export at the save of a notebook has to say.',
  autoStart: true,
  activate: app => {
    const shown = {};                                             // notebook -> the notification that speaks of it
    const run = (name, args) => app.commands.execute('apputils:' + name, args);
    app.serviceManager.events.stream.connect(async (_, event) => {
      if (event.schema_id !== 'urn:notebook2script:saved') return;
      const { path, kind, message } = event;
      const former = shown[path];
      delete shown[path];
      if (former) await run('dismiss-notification', { id: former });
      if (message) shown[path] = await run('notify', { message, type: kind, options: { autoClose: false } });
    });
  }
};

(window._JUPYTERLAB ??= {}).notebook2script = {
  init: () => {},
  get: () => Promise.resolve(() => ({ __esModule: true, default: plugin }))
};
