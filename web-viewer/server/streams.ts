/** `GET /api/v1/streams` and `GET /api/v1/streams/ID`: what is known of each stream now. */
import { Router } from 'express';
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
    else
      sendProblem(response, {
        status: 404,
        detail: 'No stream has that id. GET /api/v1/streams lists them.',
      });
  });
  return router;
}
