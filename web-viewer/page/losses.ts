/** The losses of the watched stream, second by second: asked for with each new snapshot, while somebody looks at them. */
import { computed, signal } from '@preact/signals';
import type { LossReport } from '../../wire/metrics.ts';
import { watchedId } from './state.ts';

const newest = signal<{ id: string; report: LossReport } | undefined>(undefined);
let isAsking = false;

/** The newest report; `undefined` until one of the watched stream has come. It stays when the connection is lost. */
export const lossReport = computed(() =>
  newest.value?.id === watchedId.value ? newest.value?.report : undefined,
);

/** Asks the server, unless it has not answered the question before. */
export async function askForLosses(id: string): Promise<void> {
  if (isAsking || document.hidden) return;
  isAsking = true;
  try {
    const response = await fetch(`/api/v1/streams/${encodeURIComponent(id)}/losses`);
    const answer: unknown = response.ok ? await response.json() : undefined;
    if (isReport(answer)) newest.value = { id, report: answer };
  } catch {
    // The server is gone: the banner says so, and what is known stays.
  } finally {
    isAsking = false;
  }
}

function isReport(answer: unknown): answer is LossReport {
  return typeof answer === 'object' && answer !== null && 'losses' in answer && Array.isArray(answer.losses);
}
