/** The picture, what lies over it, and its controls. */
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Controls } from './controls.tsx';
import { Icon } from './icons.tsx';
import { judged, muted, playback, still, toggleFullScreen, toggleMute, togglePlay, video } from './media.ts';
import { strings } from './strings.ts';
import type { Trouble } from './trouble.ts';

/** Controls go away when nobody has moved for so long. */
const IDLE_MS = 2500;

/** @param worst the message that matters most, if there is one: it stands where the picture should be */
export function Player({ worst }: { worst: Trouble | undefined }): JSX.Element {
  const screen = useRef<HTMLDivElement>(null);
  const idle = useSignal(false);
  const timer = useRef(0);
  const stir = (): void => {
    idle.value = false;
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => (idle.value = true), IDLE_MS);
  };
  useEffect(() => {
    screen.current?.prepend(video, still);
    stir();
  }, []);
  const hidden = idle.value && playback.phase.value === 'playing';
  return (
    <section
      id="player"
      class={`player ${hidden ? 'idle' : ''}`}
      aria-label={strings.player.label}
      tabIndex={-1}
      onPointerMove={stir}
      onPointerDown={stir}
      onKeyDown={stir}
      onFocusCapture={stir}
    >
      {/* A click is a shortcut for the buttons below, which keyboards reach. */}
      <div class="screen" ref={screen} onClick={togglePlay} onDblClick={toggleFullScreen}>
        <Overlay worst={worst} />
        <Frozen />
      </div>
      {muted.value && hasSound() && (
        <button type="button" class="sound-off" onClick={toggleMute}>
          <Icon name="silent" />
          <span>
            <span class="wide">{strings.player.soundOff}</span> {strings.player.clickForSound}
          </span>
        </button>
      )}
      <Controls />
    </section>
  );
}

/** Why the picture stands still although everything plays. It says so for as long as that lasts. */
function Frozen(): JSX.Element {
  const lost = playback.frozenBy.value;
  return (
    <p class="frozen" aria-live="polite">
      {lost !== undefined && strings.player.frozen(lost)}
    </p>
  );
}

function hasSound(): boolean {
  return judged.value?.playable.some(({ kind }) => kind === 'audio') === true;
}

/** What is said where the picture is, or should be. */
function Overlay({ worst }: { worst: Trouble | undefined }): JSX.Element | null {
  const phase = playback.phase.value;
  const words = strings.player;
  if (phase === 'playing') {
    const soundOnly = judged.value?.playable.every(({ kind }) => kind === 'audio') === true;
    return soundOnly ? <p class="overlay">{words.soundOnly}</p> : null;
  }
  if (phase === 'paused')
    return (
      <p class="overlay big-play">
        <Icon name="play" />
        <span class="for-readers">{words.paused}</span>
      </p>
    );
  if (worst !== undefined) return <p class="overlay">{worst.title}</p>;
  return (
    <p class="overlay">
      <span class="spinner" aria-hidden="true" />
      {phase === 'waiting' ? words.waiting : words.starting}
    </p>
  );
}
