/**
 * Everything between the sockets and the sinks, as one stage: datagrams of any sender in, the ordered stream of one sender
 * out, with the reports that go back to it.
 */
import type { Endpoint, Framing } from '../wire/address.ts';
import type { LossCounters, StreamSnapshot } from '../wire/metrics.ts';
import type { Stage } from '../wire/stage.ts';
import type { Released } from './sink.ts';

/** What goes in. The bytes are copied during `push`, and neither they nor the input object are kept. */
export type ReceptionInput =
  | {
      /** A datagram on the media port. */
      kind: 'media';
      data: Buffer;
      /** Monotonic milliseconds; not after `now`. */
      arrivedAt: number;
      source: Endpoint;
    }
  | {
      /** A datagram on the RTCP port. */
      kind: 'rtcp';
      data: Buffer;
      arrivedAt: number;
      source: Endpoint;
    }
  | {
      /** Nothing more is expected (the end of a timeout): what is still held is accepted and everything is released. */
      kind: 'giveUp';
    };

/** What comes out, in order. */
export type ReceptionOutput =
  | Released
  | {
      /** A receiver report to be sent. */
      kind: 'report';
      datagram: Buffer;
      to: Endpoint;
    }
  | {
      /** A sender was recognised and plays from here on. */
      kind: 'recognised';
      framing: Framing;
      source: Endpoint;
      ssrc?: number;
    }
  | {
      /** Somebody else sends to the same place and is not played (E116). Said once for each. */
      kind: 'second-sender';
      source: Endpoint;
    };

/** How to receive. */
export interface ReceptionOptions {
  /** Fixed by the address's scheme; absent: recognised. */
  framing?: Framing;
  /** How long a missing datagram is waited for, milliseconds. */
  latencyMs: number;
  /** `in-order`: what is contiguous leaves at once. `paced`: each datagram leaves at its media time plus the latency. */
  release: 'in-order' | 'paced';
  /** Canonical name in receiver reports. */
  cname: string;
  /** Uniform in [0, 1): our SSRC and the spacing of reports. */
  random: () => number;
}

/** The part of a snapshot that reception knows. */
export type ReceptionFigures = LossCounters &
  Pick<
    StreamSnapshot,
    | 'framing'
    | 'source'
    | 'ssrc'
    | 'silentMs'
    | 'restarts'
    | 'secondSender'
    | 'firstIndex'
    | 'missingBefore'
    | 'lossMayBeUnderstated'
    | 'refused'
    | 'jitterMs'
    | 'bufferMs'
  >;

/** One stream as it is received. After an `end` it goes on when a sender comes back: `restart`, then payloads. */
export class Reception implements Stage<ReceptionInput, ReceptionOutput> {
  constructor(_options: ReceptionOptions) {}

  push(_input: ReceptionInput, _now: number): void {}

  /**
   * Takes a datagram of the media port: the same as `push` of a `media` input, without an object for each. `data` and
   * `source` are valid during the call only.
   */
  pushMedia(_data: Buffer, _arrivedAt: number, _source: Endpoint, _now: number): void {}

  poll(_now: number): ReceptionOutput | undefined {
    return undefined;
  }

  get wakeAt(): number {
    return Infinity;
  }

  /** Counters and gauges at `now`. */
  figures(_now: number): ReceptionFigures {
    return {
      packets: 0,
      bytes: 0,
      lost: 0,
      recovered: 0,
      unrecovered: 0,
      late: 0,
      duplicate: 0,
      reordered: 0,
      overflow: 0,
      restarts: 0,
      lossMayBeUnderstated: false,
      refused: {},
      bufferMs: 0,
    };
  }
}
