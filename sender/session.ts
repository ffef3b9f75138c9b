/** What a sender is asked for, and what it tells. */
import type { ChosenInterface, UdpEngine } from '../transport/udp.ts';
import type { Framing, MediaAddress } from '../wire/address.ts';
import type { FecSetting } from '../wire/fec/fec-setting.ts';
import type { FecFigures } from './fec-protection.ts';
import type { Networks } from './feedback-guard.ts';
import type { ClockSource } from './packetizer.ts';
import type { ReceiverFigures } from './reporter.ts';
import type { RetransmitterStats } from './retransmitter.ts';
import type { Source, SourceDescription } from './source.ts';

/** One way to the receivers. */
export interface SendingPath {
  addresses: readonly MediaAddress[];
  /** The card to send from. */
  via: ChosenInterface;
}

export interface SenderOptions {
  /** Closed with the session. */
  source: Source;
  /** Where to send: one or more of one framing (none: RTP) and one family. */
  addresses: readonly MediaAddress[];
  engine: UdpEngine;
  /** The card to send from. */
  via: ChosenInterface;
  /** Carries the same datagrams as well (SMPTE ST 2022-7): another card, other addresses, or both. Not for bare UDP. */
  secondPath?: SendingPath | undefined;
  /** 1 to 255. */
  ttl: number;
  /** Overrides the pace, not the time stamps: payload bits per second. */
  bitsPerSecond?: number | undefined;
  /** See `DepartureOptions`. */
  quantumMs?: number | undefined;
  /** See `DepartureOptions`: 0 to 63. */
  dscp?: number | undefined;
  /** See `DepartureOptions`. Default false. */
  kernelPacing?: boolean | undefined;
  /** Allow broadcast destinations. Default false. */
  broadcast?: boolean | undefined;
  /** Uniform in 0 to 1, not to be guessed by others: the stream's numbers are drawn from it. */
  random: () => number;
  /** Canonical name in reports (RFC 7022), at most 255 bytes. */
  cname: string;
  /** RTP only: how the stream is protected by FEC; `auto`: not at first, and then as its receivers need it. Default: not at all. */
  fec?: FecSetting | 'auto' | undefined;
  /** RTP only: share of the stream that may be sent again to those who ask, 0 (nothing is) to 1. Default 0.35. */
  repairBudget?: number | undefined;
  /** Whoever asks from there is answered without proof that he is there. Default: nobody. */
  trustFeedback?: Networks | undefined;
  /** Most memory for what may be asked for again, bytes. It is used only while somebody may ask. Default 128 MiB. */
  historyBytes?: number | undefined;
}

/** How far a sender is. */
export interface SenderProgress {
  /** Datagrams that have left, counted once however many destinations there are. */
  sentDatagrams: number;
  /** Payload bytes of these. */
  sentBytes: number;
  /** Position in the programme. */
  mediaMs: number;
  /** Payload over the last second. */
  bitsPerSecond: number;
  /** How fast the programme runs, in millionths of life: 1 000 000 unless a bit rate was asked for. */
  pacePpm: number;
  /** Where the pace comes from. */
  clock: ClockSource;
  /** Jumps of the programme clock so far. */
  discontinuities: number;
  /** How late the source was in all: a live source that stalls, a slow disk. */
  slippedMs: number;
  /** Sends the kernel refused. */
  failedSends: number;
  /** Most milliseconds a datagram left late. */
  latestMs: number;
  /** Receivers that report to us (RTP only). */
  receivers: readonly ReceiverFigures[];
  /** Repair packets of FEC that were made; absent without `fec`. */
  fec?: FecFigures;
  /** What was sent again to those who asked; absent when nothing ever is. */
  retransmission?: Readonly<RetransmitterStats>;
}

/** What was sent in the end. */
export interface SenderSummary extends SenderProgress {
  elapsedMs: number;
  /** The source had no more; false when the session was closed before. */
  complete: boolean;
}

/** A stream that is being sent. */
export interface SenderSession extends AsyncDisposable {
  readonly framing: Framing;
  /** The stream's name in RTP; 32 bits. */
  readonly ssrc: number;
  readonly source: SourceDescription;
  progress(): SenderProgress;
  /**
   * Protects the stream in another way from now on (`undefined`: not at all), when it was opened with `fec`. Throws `LancastError`
   * E001, or as the engine, when what that needs cannot be opened.
   */
  protect(setting: FecSetting | undefined): Promise<void>;
  /**
   * Resolves when the end of the stream has been told. Rejects with the `LancastError` of a source that failed, after what
   * was read of it has been sent and the end has been told; or at once when nothing can be sent.
   */
  readonly ended: Promise<SenderSummary>;
  /**
   * Stops reading, sends what is queued (at most 200 ms), tells the end and closes: up to 2 s later while somebody asks for what
   * he misses. Never rejects.
   */
  close(): Promise<void>;
}
