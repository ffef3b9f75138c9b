/** What the panels share: the connection, the streams and their history, which one is watched, and what people chose. */
import { computed, effect, signal } from '@preact/signals';
import type { StreamSnapshot } from '../../wire/metrics.ts';
import { Connection } from './connection.ts';
import { History } from './history.ts';
import { titleOf } from './playability.ts';
import { strings } from './strings.ts';

export const connection = new Connection(
  `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/v1/feed`,
);

/** Histories by stream id. The map stays the same; `ticks` counts the snapshots that went in. */
const histories = new Map<string, History>();
export const ticks = signal(0);
/** When the newest snapshots came, milliseconds since 1970. */
export const updatedAt = signal(0);

/** The address bar says which stream is watched: `/ID`. */
const chosenId = signal(decodeURIComponent(location.pathname.slice(1)));

/** The stream that is watched: the chosen one, else the first. */
export const watched = computed<StreamSnapshot | undefined>(() => {
  const streams = connection.streams.value ?? [];
  return streams.find(({ id }) => id === chosenId.value) ?? streams[0];
});

/** Its id; changes only when another stream is watched. */
export const watchedId = computed(() => watched.value?.id);

/** What the address bar asks for, when no stream is called that. */
export const unknownId = computed(() => {
  const id = chosenId.value;
  return id === '' || id === watchedId.value ? undefined : id;
});

/** Watches another stream. */
export function watch(id: string): void {
  if (id === chosenId.peek()) return;
  history.pushState(null, '', `/${encodeURIComponent(id)}`);
  chosenId.value = id;
}

/** A choice that this browser remembers. Storage may be refused (private windows): then it lasts as long as the page. */
function remembered<Value extends string>(name: string, fallback: Value, allowed: readonly Value[]) {
  const key = `lancast.${name}`;
  const chosen = signal<Value>(allowed.find((value) => value === stored(key)) ?? fallback);
  effect(() => {
    try {
      localStorage.setItem(key, chosen.value);
    } catch {
      // Not remembered, but in force.
    }
  });
  return chosen;
}

function stored(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export const THEMES = ['auto', 'light', 'dark'] as const;
export const theme = remembered('theme', 'auto', THEMES);
export const showNumbers = remembered('numbers', 'yes', ['yes', 'no']);
export const showLosses = remembered('losses', 'yes', ['yes', 'no']);
export const singleKeys = remembered('single-keys', 'yes', ['yes', 'no']);

effect(() => {
  const { documentElement } = document;
  if (theme.value === 'auto') delete documentElement.dataset['theme'];
  else documentElement.dataset['theme'] = theme.value;
});

effect(() => {
  const stream = watched.value;
  document.title = stream === undefined ? strings.appName : `${titleOf(stream)} · ${strings.appName}`;
});

effect(() => {
  const streams = connection.streams.value;
  if (streams === undefined) return;
  updatedAt.value = Date.now();
  const second = Math.floor(updatedAt.peek() / 1000);
  for (const stream of streams) historyOf(stream.id).add(stream, second);
  ticks.value = ticks.peek() + 1;
});

/** The history of a stream, from when the page was opened. */
export function historyOf(id: string): History {
  const known = histories.get(id) ?? new History();
  histories.set(id, known);
  return known;
}

window.addEventListener('popstate', () => {
  chosenId.value = decodeURIComponent(location.pathname.slice(1));
});
