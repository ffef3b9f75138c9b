/** What every sink of a receiver is told, in order. Implementations live in `sinks/`. */

/** One step of the ordered stream. Valid during the call only, as its payload is: whoever keeps one copies both. */
export type Released =
  | {
      kind: 'payload';
      /** What the datagram carried, without its framing. A view. */
      payload: Buffer;
      /** Counts from the first datagram received of this epoch; never wraps. */
      index: number;
      /** Media clock of the framing in 90 kHz ticks, unwrapped; `undefined` for framings without one. */
      timestampTicks: number | undefined;
      /** When it arrived, monotonic milliseconds. */
      arrivedAt: number;
      /** The media clock jumps here: by 100 ms or more where the sender says so (RTP marker, RFC 2250), else by a second. */
      discontinuity: boolean;
    }
  | {
      /** `count` datagrams from `first` on were given up. */
      kind: 'gap';
      first: number;
      count: number;
    }
  | {
      /** The sender started anew: indexes count from 0 again. */
      kind: 'restart';
      epoch: number;
    }
  | {
      /** Nothing follows. `proven`: the sender named its last index, so a missing tail was counted. */
      kind: 'end';
      proven: boolean;
    };

/** Takes the ordered stream somewhere: a file, a pipe, a page. A shell. */
export interface Sink {
  /** Never throws and never waits: a slow disk or page is the sink's own affair. */
  push(released: Released, now: number): void;
  /** Finishes what it holds: flushes, closes. */
  close(): Promise<void>;
}
