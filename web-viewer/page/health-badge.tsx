/** A dot and a word: how a stream is doing. The word says it all; the dot is for the quick look. */
import type { JSX } from 'preact';
import type { StreamSnapshot } from '../../wire/metrics.ts';
import { health } from './health.ts';
import { historyOf, ticks } from './state.ts';
import { strings } from './strings.ts';

export function HealthBadge({ stream }: { stream: StreamSnapshot }): JSX.Element {
  void ticks.value; // drawn anew with each snapshot
  const word = health(stream, historyOf(stream.id).samples);
  return (
    <span class={`health ${word}`}>
      <span class="dot" aria-hidden="true" />
      {strings.health[word]}
    </span>
  );
}
