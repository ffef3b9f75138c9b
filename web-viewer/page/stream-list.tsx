/** The streams that this process receives, as tiles. */
import type { JSX } from 'preact';
import type { StreamSnapshot } from '../../wire/metrics.ts';
import { bitrate } from './format.ts';
import { HealthBadge } from './health-badge.tsx';
import { programmeStreams, titleOf } from './playability.ts';
import { connection, watch, watchedId } from './state.ts';
import { strings } from './strings.ts';

export function StreamList(): JSX.Element {
  const streams = connection.streams.value ?? [];
  return (
    <nav class="streams card" aria-label={strings.streamList}>
      <h2>
        {strings.streams} <span class="quiet">{streams.length}</span>
      </h2>
      <ul>
        {streams.map((stream) => (
          <li key={stream.id}>
            <Tile stream={stream} />
          </li>
        ))}
      </ul>
    </nav>
  );
}

function Tile({ stream }: { stream: StreamSnapshot }): JSX.Element {
  const current = stream.id === watchedId.value;
  const follow = (event: MouseEvent): void => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    watch(stream.id);
  };
  return (
    <a
      class="tile"
      href={`/${encodeURIComponent(stream.id)}`}
      aria-current={current ? 'page' : undefined}
      onClick={follow}
    >
      <span class="tile-name">{titleOf(stream)}</span>
      <HealthBadge stream={stream} />
      <span class="tile-facts">
        {kind(stream)}
        {stream.state === 'playing' && ` · ${bitrate(stream.bitsPerSecond)}`}
      </span>
    </a>
  );
}

function kind(stream: StreamSnapshot): string {
  const kinds = programmeStreams(stream).map(({ kind }) => kind);
  if (kinds.includes('video')) return strings.kinds.video;
  if (kinds.includes('audio')) return strings.kinds.audio;
  return stream.programmes.length > 0 ? strings.kinds.data : strings.kinds.unknown;
}
