/** Snapshots of streams for the tests of the words about them. */
import type { StreamSnapshot } from '../../wire/metrics.ts';

/** A healthy stream of 1000 datagrams, with what `changes` says instead. */
export function snapshotOf(changes: Partial<StreamSnapshot> = {}): StreamSnapshot {
  return {
    id: 'a',
    name: 'rtp://239.1.1.1:5004',
    address: 'rtp://239.1.1.1:5004',
    interface: { name: 'eth0', address: '10.0.0.2', reason: 'the route to 239.1.1.1' },
    framing: 'rtp',
    state: 'playing',
    source: '10.0.0.9:40000',
    restarts: 0,
    lossMayBeUnderstated: false,
    refused: {},
    jitterMs: 1.2,
    bufferMs: 200,
    bitsPerSecond: 8_104_448,
    packets: 1000,
    bytes: 1_316_000,
    lost: 0,
    recovered: 0,
    unrecovered: 0,
    late: 0,
    duplicate: 0,
    reordered: 0,
    overflow: 0,
    syncLosses: 0,
    syncByteErrors: 0,
    patErrors: 0,
    continuityErrors: 0,
    pmtErrors: 0,
    pidErrors: 0,
    pcrErrors: 0,
    programmes: [
      {
        number: 1,
        name: 'Lobby',
        pcrPid: 256,
        streams: [
          { pid: 256, streamType: 0x1b, codec: 'H.264', kind: 'video' },
          { pid: 257, streamType: 0x0f, codec: 'AAC', kind: 'audio', language: 'eng' },
        ],
      },
    ],
    ...changes,
  };
}
