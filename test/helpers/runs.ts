/** Regular runs of datagrams for a reception: one every 10 ms unless the test moves them. */
import type { LancReport } from '../../wire/lanc.ts';
import type { Endpoint } from '../../wire/address.ts';
import type { InTransit } from './network.ts';
import { indexOf, payloadOf, rtpDatagram, senderCompound, sequenceDatagram } from './packets.ts';
import { SENDER, type Output, type Sent } from './receive.ts';

/** Another sender. */
export const OTHER: Endpoint = { address: '10.0.0.2', port: 40_000 };
/** Where the RTCP of `SENDER` comes from. */
export const RTCP: Endpoint = { ...SENDER, port: 40_001 };
/** Datagrams in order of their arrival. */
export type Arrivals = InTransit<Sent>[];

/** A run of RTP packets, one every 10 ms; payloads are numbered as the packets. */
export interface Run {
  count: number;
  at?: number;
  ssrc?: number;
  sequence?: number;
  timestamp?: number;
  from?: Endpoint;
}

/** RTP packets whose timestamps go on with time. */
export function rtpRun({
  count,
  at = 0,
  ssrc = 1,
  sequence = 100,
  timestamp = 5_000,
  from = SENDER,
}: Run): Arrivals {
  return Array.from({ length: count }, (_, i) => {
    const header = { ssrc, sequence: (sequence + i) % 65_536, timestamp: (timestamp + i * 900) % 2 ** 32 };
    return { at: at + 10 * i, item: { data: rtpDatagram(header), from } };
  });
}

/** Datagrams with sequence headers. */
export function seqRun(first: number, count: number, at = 0, from = SENDER): Arrivals {
  return Array.from({ length: count }, (_, i) => {
    return { at: at + 10 * i, item: { data: sequenceDatagram(first + i), from } };
  });
}

/** An end mark. */
export function mark(sequence: number, at: number, from = SENDER): InTransit<Sent> {
  return { at, item: { data: sequenceDatagram(sequence, Buffer.alloc(0)), from } };
}

/** Bare TS. */
export function tsRun(count: number, at = 0, from = SENDER): Arrivals {
  return Array.from({ length: count }, (_, i) => ({ at: at + 10 * i, item: { data: payloadOf(i), from } }));
}

/** A sender's report. */
export function report(at: number, ssrc: number, lanc?: Partial<LancReport>, from = RTCP): InTransit<Sent> {
  return { at, item: { data: senderCompound({ ssrc, ...(lanc && { lanc }) }), from, rtcp: true } };
}

/** A sender's goodbye. */
export function bye(at: number, ssrc: number, lanc?: Partial<LancReport>, from = RTCP): InTransit<Sent> {
  return { at, item: { data: senderCompound({ ssrc, bye: true, ...(lanc && { lanc }) }), from, rtcp: true } };
}

/** Several runs as they arrive together. */
export function inOrderOfTime(...runs: Arrivals[]): Arrivals {
  return runs.flat().sort((a, b) => a.at - b.at);
}

/** 0 to `count` - 1, as `brief` writes them. */
export function upTo(count: number): string {
  return Array.from({ length: count }, (_, i) => i).join(' ');
}

/** What `payloadOf` wrote into the payloads that came out. */
export function contents(outputs: readonly Output[]): number[] {
  return outputs.flatMap((output) => (output.kind === 'payload' ? [indexOf(output.payload)] : []));
}

/** When outputs of a kind came out. */
export function atOf(outputs: readonly Output[], kind: Output['kind']): number[] {
  return outputs.flatMap((output) => (output.kind === kind ? [output.at] : []));
}
