// The page of the coordinator's port: takes the key out of the address bar, shows the run, and offers what a tab can do.
import './no-eval.js'; // first
import { NO_KEY, parseKey } from '../protocol/keys.js';
import { mountContribute } from './contribute.js';
import { Dashboard } from './dashboard.js';
import { Watch } from './watch.js';

const text = new URLSearchParams(location.hash.slice(1)).get('k');
history.replaceState(null, '', '/');
try {
  begin(text === null ? NO_KEY : parseKey(text, 'the link'));
} catch (error) {
  document.querySelector('#problem')!.textContent = (error as Error).message;
}

function begin(key: Uint8Array): void {
  mountContribute(document.querySelector('#contribute')!, key);
  const dashboard = new Dashboard(document.querySelector('#dashboard')!);
  const watch = new Watch({
    origin: location.origin, key,
    record: (record) => { dashboard.record(record); },
    state: (state, sentence) => { dashboard.connection(state, sentence); },
    role: (role) => { dashboard.controls(role === 'operator' ? { command: (command) => watch.command(command), chaos: (kind, member) => watch.impede(kind, member) } : {}); },
  });
  void watch.run();
}
