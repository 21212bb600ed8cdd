// The page of the coordinator's port: takes the key out of the address bar, and offers what a tab can do.
import './no-eval.js'; // first
import { NO_KEY, parseKey } from '../protocol/keys.js';
import { mountContribute } from './contribute.js';

const text = new URLSearchParams(location.hash.slice(1)).get('k');
history.replaceState(null, '', '/');
try {
  mountContribute(document.querySelector('#contribute')!, text === null ? NO_KEY : parseKey(text, 'the link'));
} catch (error) {
  document.querySelector('#problem')!.textContent = (error as Error).message;
}
