/** Snapshots of streams, as a receiver gives them. */
import type {
  ElementaryStream,
  LossCounters,
  StreamSnapshot,
  TransportStreamCounters,
} from '../../wire/metrics.ts';

export const H264: ElementaryStream = { pid: 256, streamType: 0x1b, codec: 'H.264', kind: 'video' };
export const AAC: ElementaryStream = { pid: 257, streamType: 0x0f, codec: 'AAC', kind: 'audio' };
export const MPEG2: ElementaryStream = { pid: 258, streamType: 0x02, codec: 'MPEG-2 video', kind: 'video' };
export const MP2: ElementaryStream = { pid: 259, streamType: 0x03, codec: 'MP2', kind: 'audio' };

/** What a monitor counts of a legal stream. */
export const NO_FAULTS: TransportStreamCounters = {
  syncLosses: 0,
  syncByteErrors: 0,
  patErrors: 0,
  continuityErrors: 0,
  pmtErrors: 0,
  pidErrors: 0,
  pcrErrors: 0,
};

/** What a receiver counts before anything came. */
export const NO_LOSS: LossCounters = {
  packets: 0,
  bytes: 0,
  lost: 0,
  recovered: 0,
  needless: 0,
  unrecovered: 0,
  late: 0,
  duplicate: 0,
  reordered: 0,
  overflow: 0,
};

/** A stream that plays well, but for `changes`. */
export function snapshotOf(changes: Partial<StreamSnapshot> = {}): StreamSnapshot {
  return {
    id: 'film',
    name: 'Film',
    address: 'rtp://239.255.13.16:5004',
    interface: { name: 'eth0', address: '192.168.1.20', reason: 'asked for by --iface' },
    framing: 'rtp',
    state: 'playing',
    source: '192.168.1.9:41234',
    restarts: 0,
    lossMayBeUnderstated: false,
    refused: {},
    bufferMs: 12,
    bitsPerSecond: 2e6,
    programmes: [{ number: 1, pcrPid: 256, streams: [H264, AAC] }],
    ...NO_LOSS,
    packets: 1000,
    bytes: 1_316_000,
    ...NO_FAULTS,
    ...changes,
  };
}
