/**
 * What is known of one stream at one moment. The same names stand in `record --json`, in `/api/v1/streams`, on the page and,
 * in snake case, in the metrics.
 */
import type { Framing } from './address.ts';

/** Counters of datagrams since the stream was opened, over all restarts of the sender. */
export interface LossCounters {
  /** Datagrams that were released to the sinks. */
  packets: number;
  /** Payload bytes of these. */
  bytes: number;
  /** Indexes that did not come by themselves in time. */
  lost: number;
  /** Of `lost`: brought back by repair. */
  recovered: number;
  /** Of `recovered`: came by themselves after all, when repair had been faster. They are in `duplicate` too. */
  needless: number;
  /** Of `lost`: never released to the sinks. `lost - recovered`. */
  unrecovered: number;
  /** Came after their gap had been given up. They are in `unrecovered` too. */
  late: number;
  /** Came although they were already there. */
  duplicate: number;
  /** Came after one with a higher index, and in time. */
  reordered: number;
  /** Of `lost`: given up early, because the receive window had no room to wait. */
  overflow: number;
}

/** What was lost of a stream, each loss under one cause. Datagrams, but for `source`. */
export interface LossByCause {
  /** Never came, and nothing says that it was lost here. Of bare TS: breaks of continuity; they may have been in the source. */
  network: number;
  /** Dropped by this machine's kernel because our socket buffer was full, as far as its counter explains what is missing. */
  ownBuffer: number;
  /** Came after it had been given up. */
  late: number;
  /** Given up early, because the receive window had no room to wait. */
  overflow: number;
  /** Breaks of continuity in a transport stream that came whole: the hole was there when it was sent. */
  source: number;
}

/** One second of the history of losses. */
export interface LossSecond extends LossByCause {
  /** Whole seconds since then: 0 is the one that runs. */
  secondsAgo: number;
  /** Datagrams that repair brought back. */
  recovered: number;
  /** How often this process was too busy to take what had come. */
  overruns: number;
}

/** The history of losses of one stream, as `/api/v1/streams/ID/losses` tells it. */
export interface LossReport {
  /** Number of the second that runs, `secondsAgo` 0, by the server's clock: rows of two reports are told to be the same by it. */
  second: number;
  /** When that second began: ISO 8601, UTC. */
  at: string;
  /** How many seconds back the stream was being received; before that nothing is known. At most as many as were asked for. */
  watchedSeconds: number;
  /** The seconds in which anything happened, the latest last. */
  losses: readonly LossSecond[];
}

/** What another way to protect a stream would have done for the losses that were seen. */
export interface RepairAdvice {
  /** As `--fec` is written: `2022:10x5`, `rs:20,5`. */
  setting: string;
  /** Share of what the network lost that it would have repaired: 0 to 1. */
  repairedShare: number;
  /** How much more would have been sent for it, as a share of the stream. */
  overheadShare: number;
  /** How long a loss waits for its repair at most, milliseconds: `--latency` has to be more. */
  delayMs: number;
}

/** What repair did for a stream, and what it could have done. */
export interface RepairSnapshot {
  /** Of `recovered`: by forward error correction. */
  fec: number;
  /** Of `recovered`: asked for and sent again. */
  retransmitted: number;
  /** Datagrams asked for, each time counted. */
  asked: number;
  /** How the sender protects the stream, as `--fec` is written and as far as its repair packets tell; absent: not at all. */
  setting?: string;
  /** How long `setting` may take to bring a datagram back, milliseconds, where that is longer than is waited for; absent: it is in time. */
  tooSlowMs?: number;
  /** Repair packets that came and were of no use, by reason. */
  refused: Readonly<Record<string, number>>;
  /** The best settings for the losses of the last minutes, the cheapest first; empty: nothing to advise. */
  advice: readonly RepairAdvice[];
}

/** One of two paths that carry the same stream. */
export interface PathSnapshot {
  /** Datagrams of the stream that came on it, copies included. */
  received: number;
  /** Only this path had them. */
  saved: number;
  /** Did not come on this path. */
  lost: number;
  /** Datagrams of another stream or another sender that came on it: they are not merged. */
  foreign: number;
  /** How much later than the other path it brings a datagram, milliseconds, on average; 0 of the faster one. Absent when not known. */
  behindMs?: number;
  /** Milliseconds since its last datagram; absent before the first. */
  silentMs?: number;
}

/**
 * A stream that comes on two paths (SMPTE ST 2022-7). What they are compared by (all but `received` and `foreign`) counts from
 * where both were heard, and is settled a second after a datagram came or its absence was noticed.
 */
export interface PathsSnapshot {
  /** Datagrams that both paths brought. */
  both: number;
  /** Datagrams that neither brought. They are in the `lost` of both. */
  neither: number;
  /** In the order of the addresses that were given. */
  paths: readonly [PathSnapshot, PathSnapshot];
}

/** What was done to hide losses from the viewers of a stream. Recordings and relays have what came. */
export interface Concealed {
  /** How often the picture was frozen until the next key frame. */
  freezes: number;
  /** How long it stood still, all in all, milliseconds. */
  frozenMs: number;
  /** Holes in the sound that were faded over. */
  soundGaps: number;
  /** How long they are, all in all, milliseconds. */
  soundFilledMs: number;
}

/** The first-priority list of TR 101 290, counted. */
export interface TransportStreamCounters {
  /** 1.1: synchronisation lost. */
  syncLosses: number;
  /** 1.2: packets whose first byte is not 0x47. */
  syncByteErrors: number;
  /** 1.3: no PAT for 500 ms, or PID 0 without one. */
  patErrors: number;
  /** 1.4: order, loss or more than one duplicate by the continuity counter. */
  continuityErrors: number;
  /** 1.5: no PMT for 500 ms. */
  pmtErrors: number;
  /** 1.6: a PID that the PMT names did not come for 5 s. */
  pidErrors: number;
  /** 2.3: PCRs more than 100 ms apart, or a jump that was not announced. */
  pcrErrors: number;
}

/** One elementary stream of a programme. */
export interface ElementaryStream {
  pid: number;
  /** stream_type of the PMT, ISO 13818-1 table 2-34. */
  streamType: number;
  /** A name for people: `H.264`, `AAC`, `Opus`, `MPEG-2 video` …; `type 0x..` when not known. */
  codec: string;
  kind: 'video' | 'audio' | 'subtitle' | 'data';
  /** ISO 639 code when the PMT names one. */
  language?: string;
}

/** One programme of a transport stream. */
export interface Programme {
  number: number;
  /** service_name and provider of the SDT, when there is one. Text from outside: escape it. */
  name?: string;
  provider?: string;
  pcrPid: number;
  streams: ElementaryStream[];
}

/** One stream at one moment. Fields whose value is not known are absent, never 0. */
export interface StreamSnapshot extends LossCounters, TransportStreamCounters {
  /** Stable within the process; safe in a URL. */
  id: string;
  /** What people call it. */
  name: string;
  /** As a URL, such as `rtp://239.255.13.16:5004`. */
  address: string;
  interface: { name: string; address: string; reason: string };
  framing?: Framing;
  /** `waiting`: nothing came yet; `silent`: it stopped without saying so; `ended`: the sender said goodbye. */
  state: 'waiting' | 'playing' | 'silent' | 'ended';
  /** The sender's address and port. */
  source?: string;
  ssrc?: number;
  /** Milliseconds since the last datagram. */
  silentMs?: number;
  /** Sender restarts seen. */
  restarts: number;
  /** A second sender is on the same group and is being ignored: its address. */
  secondSender?: string;
  /** Index of the first datagram received, by the sender's count; absent when the sender does not tell. */
  firstIndex?: number;
  /** Datagrams the sender had sent before our first one; absent when the sender does not tell. */
  missingBefore?: number;
  /** Bare TS carries no sequence: what was lost may be more than what is counted. */
  lossMayBeUnderstated: boolean;
  /** Datagrams our own socket buffer dropped; absent when the engine cannot tell. */
  kernelDrops?: number;
  /** How often this process was too busy to take what had come; what was lost by it is in `kernelDrops`. */
  overruns?: number;
  /** What `unrecovered` counts, and holes in the source, by cause; absent where it is not told apart. */
  causes?: LossByCause;
  /** Absent where nothing is repaired: streams without RTP, and before the first datagram. */
  repair?: RepairSnapshot;
  /** Absent where nothing is concealed: without a viewer, or as its user asked for. */
  concealed?: Concealed;
  /** Absent for a stream that comes on one path. */
  paths?: PathsSnapshot;
  /** Datagrams that were none of the three framings, by fault. */
  refused: Readonly<Record<string, number>>;
  /** RFC 3550 interarrival jitter; absent when not known. */
  jitterMs?: number;
  /** Media time held in the receive window. */
  bufferMs: number;
  /** Payload rate over the last second. */
  bitsPerSecond: number;
  programmes: Programme[];
}
