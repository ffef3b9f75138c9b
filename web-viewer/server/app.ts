/** The viewer's HTTP side without its socket: guard, API, page. `index.ts` listens and adds the WebSocket. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import { LancastError } from '../../wire/errors.ts';
import type { Guard, Questioned, Refusal } from './guard.ts';
import { securityHeaders } from './headers.ts';
import { sendProblem } from './problem.ts';
import type { StreamRegistry } from './registry.ts';
import { streamRoutes } from './streams.ts';

/** What the app is made of. */
export interface AppOptions {
  registry: StreamRegistry;
  /** Asked for at each request: it is known only once the server listens. */
  guard: () => Guard;
  /** Folder of the built page, holding `index.html` and `assets/`. */
  pageFolder: string;
  /** Told of every request from a foreign page or name (E503). */
  onRefused: (error: LancastError) => void;
}

/** The express app. It answers GET and HEAD only: nothing can be changed from a page yet. */
export function viewerApp(options: AppOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.use(securityHeaders, guarded(options), readOnly);
  app.use('/api/v1/streams', noStore, streamRoutes(options.registry));
  app.use('/api', (_request, response) =>
    sendProblem(response, { status: 404, detail: 'No such resource.' }),
  );
  app.use(...page(options.pageFolder));
  app.use(failed);
  return app;
}

/** E503: what the log says of a refused request. */
export function refusedError(refusal: Refusal, { headers }: Questioned): LancastError {
  const { origin, host } = headers;
  return new LancastError('E503', refusal.detail, { origin: origin ?? '', host: host ?? '' });
}

function guarded({ guard, onRefused }: AppOptions): RequestHandler {
  return (request, response, next) => {
    const refusal = guard().refuseRequest(request);
    if (refusal === undefined) return next();
    onRefused(refusedError(refusal, request));
    sendProblem(response, refusal);
  };
}

const readOnly: RequestHandler = (request, response, next) => {
  if (request.method === 'GET' || request.method === 'HEAD') return next();
  response.set('Allow', 'GET, HEAD');
  sendProblem(response, { status: 405, detail: 'Only GET and HEAD are answered here.' });
};

const noStore: RequestHandler = (_request, response, next) => {
  response.set('Cache-Control', 'no-store');
  next();
};

/** Files named after their content are kept for ever; `index.html` is asked for anew, and stands for every page address. */
function page(folder: string): RequestHandler[] {
  const index = join(folder, 'index.html');
  return [
    express.static(folder, {
      index: false,
      redirect: false,
      dotfiles: 'ignore',
      setHeaders(response, path) {
        const hashed = path.startsWith(join(folder, 'assets'));
        response.set('Cache-Control', hashed ? 'public, max-age=31536000, immutable' : 'no-cache');
      },
    }),
    (request, response) => {
      if (!/^\/[\w.~-]*$/.test(request.path) || /^\/assets(\/|$)/.test(request.path))
        return sendProblem(response, { status: 404, detail: 'No such page.' });
      if (!existsSync(index))
        return sendProblem(response, {
          status: 503,
          detail: 'The page is not built yet: run "npm run build".',
        });
      response.set('Cache-Control', 'no-cache').sendFile(index);
    },
  ];
}

/** Malformed requests, such as bad percent signs in a path. Four parameters are how express knows an error handler. */
const failed: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (response.headersSent) return next(error);
  const status = statusOf(error);
  sendProblem(response, {
    status,
    detail: status < 500 ? 'The request is malformed.' : 'The viewer failed to answer.',
  });
};

function statusOf(error: unknown): number {
  if (typeof error !== 'object' || error === null || !('status' in error)) return 500;
  return typeof error.status === 'number' && error.status >= 400 && error.status < 500 ? error.status : 500;
}
