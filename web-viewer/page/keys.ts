/** The keys of the page. Off while typing, off with Ctrl, Alt or Meta, and off altogether when people choose so (WCAG 2.1.4). */
import { openKeyHelp } from './key-help.tsx';
import { changeVolume, inFullScreen, playback, toggleFullScreen, toggleMute, togglePlay } from './media.ts';
import { showLosses, showNumbers, singleKeys } from './state.ts';

const VOLUME_STEP = 0.05;

type Actions = Readonly<Record<string, () => void>>;

const PAGE_KEYS: Actions = {
  ' ': togglePlay,
  k: togglePlay,
  m: toggleMute,
  f: toggleFullScreen,
  i: () => (showNumbers.value = showNumbers.value === 'yes' ? 'no' : 'yes'),
  h: () => (showLosses.value = showLosses.value === 'yes' ? 'no' : 'yes'),
  '?': openKeyHelp,
};

/** Elsewhere these scroll the page. */
const PLAYER_KEYS: Actions = {
  arrowup: () => changeVolume(VOLUME_STEP),
  arrowdown: () => changeVolume(-VOLUME_STEP),
  end: () => playback.toLive(),
};

/** Keys that an element which has the focus needs itself. */
const OWN_KEYS: readonly [selector: string, keys: RegExp][] = [
  ['input, textarea, select, [contenteditable]', /./],
  ['button, a, summary', /^( |enter)$/],
  ['dialog, dialog *', /./],
];

/** Begins to listen. */
export function listenToKeys(): void {
  document.addEventListener('keydown', (event) => {
    const key = event.key.toLowerCase();
    const action = PAGE_KEYS[key] ?? (inPlayer() ? PLAYER_KEYS[key] : undefined);
    if (action === undefined || event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented)
      return;
    if (singleKeys.value === 'no' && key.length === 1) return;
    const { target } = event;
    if (target instanceof Element && OWN_KEYS.some(([own, keys]) => keys.test(key) && target.matches(own)))
      return;
    event.preventDefault();
    action();
  });
}

function inPlayer(): boolean {
  return inFullScreen.value || document.activeElement?.closest('.player') !== null;
}
