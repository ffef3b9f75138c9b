/** Errors of the API and of refused upgrades in one form: `application/problem+json`, RFC 9457. */
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Response } from 'express';

/** What went wrong with one request. */
export interface Problem {
  /** HTTP status, 400 to 599. */
  status: number;
  /** One sentence for people, with what to do about it. */
  detail: string;
}

const MEDIA_TYPE = 'application/problem+json';

function body({ status, detail }: Problem): string {
  return JSON.stringify({ title: STATUS_CODES[status] ?? 'Error', status, detail });
}

/** Answers an HTTP request. */
export function sendProblem(response: Response, problem: Problem): void {
  response.status(problem.status).set('Cache-Control', 'no-store').type(MEDIA_TYPE).send(body(problem));
}

/** Answers an upgrade that is refused and closes its socket. */
export function refuseUpgrade(socket: Duplex, problem: Problem): void {
  const text = body(problem);
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? 'Error'}\r\nConnection: close\r\n` +
      `Content-Type: ${MEDIA_TYPE}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
}
