/** Says that the connection to the server is lost, and counts down to the next try. */
import { useSignal, useSignalEffect } from '@preact/signals';
import type { JSX } from 'preact';
import { connection } from './state.ts';
import { strings } from './strings.ts';

export function ReconnectBanner(): JSX.Element | null {
  const state = connection.state.value;
  const now = useSignal(Date.now());
  useSignalEffect(() => {
    if (connection.state.value.kind !== 'lost') return undefined;
    now.value = Date.now();
    const timer = setInterval(() => (now.value = Date.now()), 250);
    return () => clearInterval(timer);
  });
  if (state.kind !== 'lost') return null;
  const words = strings.connection;
  return (
    <div class="banner" role="alert">
      <div>
        <strong>{words.bannerTitle}</strong> <span>{words.bannerText}</span>
      </div>
      {/* The countdown is for the eye: read aloud each second it would only be noise. */}
      <span class="countdown" aria-live="off">
        {words.retryIn(Math.ceil((state.retryAt - now.value) / 1000))}
      </span>
      <button type="button" onClick={() => connection.connect()}>
        {words.retryNow}
      </button>
    </div>
  );
}
