/** The page: which panels there are, and where. */
import type { JSX } from 'preact';
import type { StreamSnapshot } from '../../wire/metrics.ts';
import { Header } from './header.tsx';
import { HealthBadge } from './health-badge.tsx';
import { KeyHelp } from './key-help.tsx';
import { LossMap } from './loss-panel.tsx';
import { mediaLine, Numbers } from './numbers.tsx';
import { titleOf } from './playability.ts';
import { Player } from './player.tsx';
import { ReconnectBanner } from './reconnect-banner.tsx';
import { connection, showLosses, showNumbers, ticks, watched } from './state.ts';
import { StreamList } from './stream-list.tsx';
import { strings } from './strings.ts';
import { Strip } from './strip.tsx';
import { Command, currentTroubles, TroublePanel } from './trouble-panel.tsx';

export function App(): JSX.Element {
  const streams = connection.streams.value;
  const stream = watched.value;
  return (
    <>
      <Header />
      <ReconnectBanner />
      {stream !== undefined ? <Watching stream={stream} /> : <Nothing asked={streams !== undefined} />}
      <KeyHelp />
    </>
  );
}

function Watching({ stream }: { stream: StreamSnapshot }): JSX.Element {
  void ticks.value; // "for 12 s" goes on counting
  const found = currentTroubles(stream);
  const numbers = showNumbers.value === 'yes';
  return (
    <main class={numbers ? '' : 'without-numbers'}>
      <div class="watching">
        <Player
          worst={found.find(({ level }) => level !== 'note') ?? found.find(({ id }) => id === 'ended')}
        />
        <div class="title">
          <h1>{titleOf(stream)}</h1>
          <HealthBadge stream={stream} />
          <span class="quiet">{mediaLine(stream) ?? stream.address}</span>
        </div>
        <TroublePanel found={found} />
        <p class="for-readers" role="status">
          {found[0]?.title ?? ''}
        </p>
      </div>
      <StreamList />
      {numbers && <Numbers stream={stream} />}
      {numbers && <Strip stream={stream} />}
      {showLosses.value === 'yes' && stream.causes !== undefined && <LossMap stream={stream} />}
    </main>
  );
}

/** @param asked the server has answered: there is no stream */
function Nothing({ asked }: { asked: boolean }): JSX.Element {
  const { title, text, command } = strings.empty;
  return (
    <main class="nothing">
      {asked ? (
        <section class="card">
          <h1>{title}</h1>
          <p>{text}</p>
          <Command line={command} />
        </section>
      ) : (
        <p class="quiet" role="status">
          <span class="spinner" aria-hidden="true" /> {strings.loading}
        </p>
      )}
    </main>
  );
}
