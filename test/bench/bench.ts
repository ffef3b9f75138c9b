/** What every benchmark works with, and what each group of them gives back. */
import type { Films } from './films.ts';
import type { Row, SideBySide } from './table.ts';

/** The tools of one run. All of it lives in a network namespace whose loopback carries groups. */
export interface Bench {
  /** The compiled program `lancast`. */
  lancast: string;
  /** The compiled `capture.c`. */
  capture: string;
  /** The compiled `cost.c`. */
  cost: string;
  /** The compiled `listen.c`. */
  listen: string;
  /** The compiled `small-buffer.c`. */
  smallBuffer: string;
  /** A TS file of 20 Mbit/s, `FILM_SECONDS` long, with multicat's index beside it. */
  film: string;
  /** Films of other rates, made when they are asked for. */
  films: Films;
  /** A folder for what is written; on a disk. */
  folder: string;
  /** A folder for recordings; in memory where there is room, so that no disk is measured. */
  recordings: string;
  /** The programs lancast is compared with: name and version of those that are installed. */
  peers: ReadonlyMap<string, string>;
}

/** What a group of benchmarks found. */
export interface Findings {
  rows: Row[];
  /** Figures of several programs next to each other, without goals. */
  tables?: SideBySide[];
}

/** Media time of the films that are sent at their own pace. */
export const FILM_SECONDS = 21;

/** What runs is measured so long after its start: V8 has compiled by then what runs often, and cleaned up behind the start. */
export const STEADY_AFTER_MS = 11_000;

/** RTP header and seven TS packets. */
export const DATAGRAM_BYTES = 1328;
/** Seven TS packets. */
export const PAYLOAD_BYTES = 1316;

/** Why a peer has no figures; `undefined` when it is installed. */
export function absence(bench: Bench, peer: string): string | undefined {
  return bench.peers.has(peer) ? undefined : `${peer} is not installed`;
}
