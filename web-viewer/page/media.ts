/** The one player of the page: its elements, what it plays, and how loud. */
import { computed, effect, signal, untracked } from '@preact/signals';
import { playability, type CanPlay } from './playability.ts';
import { Playback, type Programme } from './playback.ts';
import { connection, watched } from './state.ts';
import { strings } from './strings.ts';

/** Made once and moved into the page by the player panel, so that nothing drawn anew can interrupt playback. */
export const video = document.createElement('video');
export const still = document.createElement('canvas');

video.muted = true; // browsers let only silent videos start by themselves
video.playsInline = true;
video.disablePictureInPicture = false;
video.setAttribute('aria-label', strings.player.label);
still.hidden = true;
still.setAttribute('aria-hidden', 'true');

export const playback = new Playback(video, still, connection);

const canPlay: CanPlay = 'MediaSource' in window ? (type) => MediaSource.isTypeSupported(type) : undefined;

/** What of the watched stream this browser can play. */
export const judged = computed(() =>
  watched.value === undefined ? undefined : playability(watched.value, canPlay),
);

/** What is to be played; `undefined` while nothing that can be is known. */
function programme(): Programme | undefined {
  const stream = watched.value;
  const { playable = [], refused = [] } = judged.value ?? {};
  if (stream === undefined || playable.length === 0) return undefined;
  return { stream: stream.id, hiddenPids: refused.map(({ pid }) => pid) };
}

/** The same as text: it changes only when the player has to start anew. */
const programmeText = computed(() => JSON.stringify(programme()));

effect(() => {
  void programmeText.value;
  untracked(() => playback.watch(programme()));
});

export const muted = signal(true);
/** 0 to 1. */
export const volume = signal(1);

video.addEventListener('volumechange', () => {
  muted.value = video.muted;
  volume.value = video.volume;
});

export function toggleMute(): void {
  video.muted = !video.muted;
  if (!video.muted && video.volume === 0) video.volume = 0.5;
}

/** Louder or softer by `step`, 0 to 1. Turning it up also turns the sound on. */
export function changeVolume(step: number): void {
  setVolume(video.volume + step);
}

export function setVolume(value: number): void {
  video.volume = Math.min(1, Math.max(0, value));
  video.muted = video.volume === 0;
}

export function togglePlay(): void {
  if (playback.phase.value === 'paused') playback.play();
  else playback.pause();
}

export const inFullScreen = signal(false);

document.addEventListener('fullscreenchange', () => {
  inFullScreen.value = document.fullscreenElement !== null;
});

/** The player with its controls fills the screen, or no longer. */
export function toggleFullScreen(): void {
  const player = video.closest('.player');
  const change =
    document.fullscreenElement === null ? player?.requestFullscreen?.() : document.exitFullscreen();
  // Refused where full screen is not allowed, such as in a frame: then nothing changes, and nothing is to be said.
  change?.catch(() => undefined);
}
