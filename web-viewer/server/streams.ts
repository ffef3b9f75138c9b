/**
 * `GET /api/v1/streams` and `GET /api/v1/streams/ID`: what is known of each stream now. `GET /api/v1/streams/ID/losses`: what was
 * lost of it in the last minutes, second by second.
 */
import { Router, type Response } from 'express';
import { lossReport, MOST_SECONDS } from './losses.ts';
import type { StreamRegistry } from './registry.ts';
import { sendProblem } from './problem.ts';

/** The routes, to be mounted at `/api/v1/streams`. */
export function streamRoutes(registry: StreamRegistry): Router {
  const router = Router();
  router.get('/', (_request, response) => {
    response.json({ streams: registry.snapshots() });
  });
  router.get('/:id', (request, response) => {
    const entry = registry.find(request.params.id);
    if (entry !== undefined) response.json(entry.snapshot());
    else sendUnknown(response);
  });
  router.get('/:id/losses', (request, response) => {
    const entry = registry.find(request.params.id);
    const seconds = secondsOf(request.query['seconds']);
    if (entry === undefined) return sendUnknown(response);
    if (seconds === undefined)
      return sendProblem(response, {
        status: 400,
        detail: `"seconds" has to be a whole number from 1 to ${MOST_SECONDS}.`,
      });
    const report = lossReport(entry, { seconds, ageMs: registry.ageMs(entry) });
    if (report !== undefined) response.json(report);
    else sendProblem(response, { status: 404, detail: 'The losses of that stream are not told apart.' });
  });
  return router;
}

function sendUnknown(response: Response): void {
  sendProblem(response, {
    status: 404,
    detail: 'No stream has that id. GET /api/v1/streams lists them.',
  });
}

/** All of them when nothing is asked for; `undefined` for what is no number of seconds. */
function secondsOf(asked: unknown): number | undefined {
  if (asked === undefined) return MOST_SECONDS;
  if (typeof asked !== 'string' || !/^[1-9]\d{0,2}$/.test(asked)) return undefined;
  const seconds = Number(asked);
  return seconds <= MOST_SECONDS ? seconds : undefined;
}
