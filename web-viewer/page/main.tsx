/** Starts the page. */
import { render } from 'preact';
import { App } from './app.tsx';
import { listenToKeys } from './keys.ts';

const place = document.querySelector('#page');
if (place !== null) render(<App />, place);
listenToKeys();
