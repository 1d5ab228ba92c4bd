// JupyterLab's window says where a saved chapter was attached, or why it was not.
//
// Written by hand and loaded as it is: the container of a 'federated' extension, without a build. What it says comes
// with an event of runbook_lib/records/saved.py, and is text: never markup, and nothing is run that it names.
(window._JUPYTERLAB ||= {})['runbook-lib'] = (() => {
  const SCHEMA = 'urn:runbook-lib:saved:v1';
  let scope;

  // JupyterLab's own copy of a package: another extension may offer one too, which nothing has loaded.
  async function own(name) {
    const copies = Object.values(scope[name]);
    return (await (copies.find(copy => copy.loaded) ?? copies[0]).get())();
  }

  // JupyterLab cuts a notification after 140 characters: the button shows all of it.
  function told(event) {
    if (event.outcome === 'attached') {
      const { run, host, chapter, records, page, seal } = event;
      return {
        type: 'success',
        message: `Attached to its record: ${chapter} on ${host}\nRun ${run}, in ${records}`,
        button: 'Where it is',
        title: 'Saved, and attached to its record',
        body: `Run: ${run}\nHost: ${host}\nChapter: ${chapter}\nPage: ${page}\nSeal: ${seal}`
      };
    }
    return {
      type: event.outcome === 'refused' ? 'error' : 'warning',
      message: `${event.notebook} is saved, and not attached to its record.\n${event.reason}`,
      button: 'What to do',
      title: 'Saved, and not attached to its record',
      body: `${event.reason}\n\nTo do: ${event.to_do}`
    };
  }

  async function activate(app) {
    const { Dialog, Notification, showDialog } = await own('@jupyterlab/apputils');
    const { Widget } = await own('@lumino/widgets');
    const last = new Map(); // of each notebook: what was said of it before is no longer so
    app.serviceManager.events.stream.connect((_, event) => {
      if (event.schema_id !== SCHEMA) {
        return;
      }
      const { type, message, button, title, body } = told(event);
      const callback = () => {
        const node = document.createElement('div');
        node.textContent = body;
        node.style.whiteSpace = 'pre-line';
        void showDialog({ title, body: new Widget({ node }), buttons: [Dialog.okButton()] });
      };
      Notification.dismiss(last.get(event.notebook) ?? '');
      const options = { autoClose: type === 'error' ? false : 15000, actions: [{ label: button, callback }] };
      last.set(event.notebook, Notification.emit(message, type, options));
    });
  }

  const plugin = { id: 'runbook-lib:saved', autoStart: true, activate };
  return {
    init: shared => { scope = shared; },
    get: async () => () => ({ __esModule: true, default: plugin })
  };
})();
