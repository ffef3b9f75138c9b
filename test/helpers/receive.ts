/** Runs a reception on virtual time and keeps what comes out. */
import {
  Reception,
  type ReceptionFigures,
  type ReceptionInput,
  type ReceptionOptions,
  type ReceptionOutput,
} from '../../receiver/reception.ts';
import type { Endpoint } from '../../wire/address.ts';
import { play, type Timed } from './drive.ts';
import { randomFrom, type InTransit } from './network.ts';

/** The sender of tests that need only one. */
export const SENDER: Endpoint = { address: '10.0.0.1', port: 40_000 };

/** A datagram on its way to a receiver. */
export interface Sent {
  data: Buffer;
  /** Default `SENDER`. */
  from?: Endpoint;
  /** Came to the RTCP port. */
  rtcp?: boolean;
}

/** What came out and when. Payloads are copies. */
export type Output = { at: number } & ReceptionOutput;

/** A stage with defaults that suit tests. */
export function newReception(options: Partial<ReceptionOptions> = {}): Reception {
  const random = randomFrom(7);
  return new Reception({ latencyMs: 200, release: 'in-order', cname: 'receiver@test', random, ...options });
}

/** Datagrams as inputs, each at the time at which it arrives. */
export function* inputs(arrivals: Iterable<InTransit<Sent>>): Generator<Timed<ReceptionInput>> {
  for (const { at, item } of arrivals) {
    const kind = item.rtcp ? 'rtcp' : 'media';
    yield [at, { kind, data: item.data, arrivedAt: at, source: item.from ?? SENDER }];
  }
}

/** Everything that a reception makes of these datagrams; with `giveUpAt`, nothing is awaited after that. */
export function receive(
  arrivals: Iterable<InTransit<Sent>>,
  options: Partial<ReceptionOptions> & { giveUpAt?: number; until?: number } = {},
): { outputs: Output[]; figures: ReceptionFigures; reception: Reception } {
  const { giveUpAt, until, ...rest } = options;
  const reception = newReception(rest);
  const outputs: Output[] = [];
  let now = 0;
  const timed = function* (): Generator<Timed<ReceptionInput>> {
    yield* inputs(arrivals);
    if (giveUpAt !== undefined) yield [giveUpAt, { kind: 'giveUp' }];
  };
  for (const [at, output] of play(reception, timed(), until)) {
    now = at;
    if (output.kind === 'payload') outputs.push({ at, ...output, payload: Buffer.from(output.payload) });
    else outputs.push({ at, ...output });
  }
  return { outputs, figures: reception.figures(now), reception };
}

/** Outputs in short, without reports: `0 1 gap 2+3 5 restart 1 0 end proven`; what is recognised only when asked for. */
export function brief(outputs: readonly Output[], more: readonly Output['kind'][] = []): string {
  const words: string[] = [];
  for (const output of outputs) {
    if (output.kind === 'payload') words.push(String(output.index));
    else if (output.kind === 'gap') words.push(`gap ${output.first}+${output.count}`);
    else if (output.kind === 'restart') words.push(`restart ${output.epoch}`);
    else if (output.kind === 'end') words.push(output.proven ? 'end proven' : 'end');
    else if (more.includes(output.kind)) words.push(output.kind);
  }
  return words.join(' ');
}
