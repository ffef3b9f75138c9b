/** Buttons of the player. Each has a key too (`keys.ts`), named in its title. */
import type { JSX } from 'preact';
import { Icon } from './icons.tsx';
import {
  inFullScreen,
  muted,
  playback,
  setVolume,
  toggleFullScreen,
  toggleMute,
  togglePlay,
  volume,
} from './media.ts';
import { showNumbers } from './state.ts';
import { strings } from './strings.ts';

/** Up to here behind the newest data counts as live. */
const LIVE_S = 1.5;

export function Controls(): JSX.Element {
  const words = strings.player;
  const paused = playback.phase.value === 'paused';
  const silent = muted.value;
  return (
    <div class="controls">
      <Button
        icon={paused ? 'play' : 'pause'}
        label={paused ? words.play : words.pause}
        keys="K"
        disabled={playback.phase.value === 'idle'}
        onClick={togglePlay}
      />
      <Button
        icon={silent ? 'silent' : 'sound'}
        label={silent ? words.unmute : words.mute}
        keys="M"
        onClick={toggleMute}
      />
      <input
        class="volume"
        type="range"
        min="0"
        max="1"
        step="0.05"
        aria-label={words.volume}
        value={silent ? 0 : volume.value}
        onInput={({ currentTarget }) => setVolume(currentTarget.valueAsNumber)}
      />
      <LiveBadge />
      <span class="gap" />
      <Button
        icon="numbers"
        label={words.stats}
        keys="I"
        pressed={showNumbers.value === 'yes'}
        onClick={() => (showNumbers.value = showNumbers.value === 'yes' ? 'no' : 'yes')}
      />
      {document.fullscreenEnabled && (
        <Button
          icon={inFullScreen.value ? 'leaveFullScreen' : 'fullScreen'}
          label={inFullScreen.value ? words.leaveFullScreen : words.fullScreen}
          keys="F"
          onClick={toggleFullScreen}
        />
      )}
    </div>
  );
}

interface ButtonProps {
  icon: Parameters<typeof Icon>[0]['name'];
  label: string;
  keys: string;
  disabled?: boolean;
  pressed?: boolean;
  onClick: () => void;
}

function Button({ icon, label, keys, disabled, pressed, onClick }: ButtonProps): JSX.Element {
  return (
    <button
      type="button"
      disabled={disabled}
      aria-label={label}
      aria-pressed={pressed}
      aria-keyshortcuts={keys}
      title={`${label} (${keys})`}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}

/** How far behind the newest data the picture is, and the way to get there. */
function LiveBadge(): JSX.Element | null {
  const delay = playback.delayS.value;
  const words = strings.player;
  if (delay === undefined || playback.phase.value !== 'playing') return null;
  return (
    <button
      type="button"
      class={`live ${delay < LIVE_S ? 'now' : ''}`}
      aria-label={words.toLive}
      title={words.delayTitle}
      onClick={() => playback.toLive()}
    >
      <span class="dot" aria-hidden="true" />
      {words.live} <span class="delay">{words.delay(delay)}</span>
    </button>
  );
}
