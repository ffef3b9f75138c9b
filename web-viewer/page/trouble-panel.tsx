/** What is wrong, in words, with what to do about it. */
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import type { StreamSnapshot } from '../../wire/metrics.ts';
import { judged, playback } from './media.ts';
import { unknownId, updatedAt } from './state.ts';
import { strings } from './strings.ts';
import { troubles, type Trouble } from './trouble.ts';

/** The messages of now, worst first. */
export function currentTroubles(stream: StreamSnapshot): Trouble[] {
  const since = playback.startingSince.value;
  return troubles(stream, {
    wallMs: updatedAt.value,
    playability: judged.value ?? { browser: true, playable: [], refused: [] },
    startingMs: since === undefined ? undefined : Date.now() - since,
    skips: playback.skips.value,
    playerError: playback.error.value,
    unknownId: unknownId.value,
  });
}

export function TroublePanel({ found }: { found: readonly Trouble[] }): JSX.Element | null {
  if (found.length === 0) return null;
  return (
    <section class="troubles" aria-label={strings.trouble.region}>
      {found.map((trouble) => (
        <Message key={trouble.id} trouble={trouble} />
      ))}
    </section>
  );
}

function Message({ trouble: { level, title, text, checks, command } }: { trouble: Trouble }): JSX.Element {
  return (
    <article class={`trouble card ${level}`}>
      <h3>{title}</h3>
      <p>{text}</p>
      {checks !== undefined && (
        <ul>
          {checks.map((check) => (
            <li key={check}>{check}</li>
          ))}
        </ul>
      )}
      {command !== undefined && <Command line={command} />}
    </article>
  );
}

/** A command line to be copied. */
export function Command({ line }: { line: string }): JSX.Element {
  const copied = useSignal(false);
  const copy = (): void => {
    navigator.clipboard?.writeText(line).then(
      () => (copied.value = true),
      () => undefined, // refused: the line can still be selected by hand
    );
  };
  return (
    <div class="command">
      <code>{line}</code>
      <button type="button" class="plain" onClick={copy}>
        {copied.value ? strings.trouble.copied : strings.trouble.copy}
      </button>
    </div>
  );
}
