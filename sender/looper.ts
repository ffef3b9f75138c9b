/**
 * Makes one legal endless transport stream of a file that is sent again and again: PCR, PTS, DTS and continuity counters go on
 * across the seam as if nothing had ended (ISO/IEC 13818-1 §2.4.2.2, §2.4.3.3, §2.4.3.7).
 *
 * The first pass is the file itself, and `LoopSurvey` looks on. Each later pass is a seam, nearly always empty, and the file with
 * all times moved on by the duration of the passes before it. So any packet of the endless stream follows from the file and
 * the packet's index alone.
 *
 * The duration is such that no stream's times overlap. At a constant bit rate it is that of the bytes, and the seam fills up with
 * stuffing what a stream lasts longer; else it is that of the longest stream.
 */
import { PCR_CYCLE } from '../wire/clock.ts';
import {
  NULL_PID,
  PID_COUNT,
  TS_PACKET_BYTES,
  clearDiscontinuityAt,
  continuityAt,
  hasPayloadAt,
  payloadOffsetAt,
  pcrAt,
  pidAt,
  scrambledAt,
  setContinuityAt,
  setPcrAt,
  shiftOpcrAt,
  transportErrorAt,
  unitStartAt,
  writeTs,
} from '../wire/mpeg-ts.ts';
import { shiftPesTimes } from '../wire/pes.ts';
import { fitLoop, type SeamSlot } from './loop-fit.ts';
import type { LoopSurvey } from './loop-survey.ts';

/** How to send a file again behind itself. Made from the survey of the whole file. */
export class LoopPlan {
  /** Packets of the file: a pass without its seam. */
  readonly packets: number;
  /** Programme time from one pass to the next, 27 MHz ticks; not whole at a constant bit rate. */
  readonly durationTicks: number;
  readonly #seam: readonly SeamSlot[];
  /** By PID, what the continuity counter grows by from pass to pass. */
  readonly #counterShift = new Uint8Array(PID_COUNT);
  /** By PID, the last continuity counter of the first pass. */
  readonly #lastCounter = new Uint8Array(PID_COUNT);
  /** Index of the first packet by PID. */
  readonly #firstPacket = new Map<number, number>();

  constructor(survey: LoopSurvey) {
    const { durationTicks, seam } = fitLoop(survey);
    this.packets = survey.packets;
    this.durationTicks = durationTicks;
    this.#seam = seam;
    for (const { pid, firstPacket, counterBefore, lastCounter } of survey.pids) {
      this.#counterShift[pid] = (lastCounter - counterBefore) & 0x0f;
      this.#lastCounter[pid] = lastCounter;
      this.#firstPacket.set(pid, firstPacket);
    }
  }

  /** The packets that go before pass `pass`, which is 1 or more; mostly none. */
  seam(pass: number): Buffer {
    return Buffer.concat(this.#seam.map((slot) => this.#writeSlot(slot, pass - 1)));
  }

  /**
   * Makes packets of the file those of a later pass, in place. Times stay as they are where they cannot be reached: in scrambled
   * payloads, and in a PES header that is cut in two by the end of its packet.
   *
   * @param packets whole packets, the caller's own copy
   * @param first index in the file of the first of them
   * @param pass 1 or more; pass 0 is the file as it is
   */
  rewrite(packets: Buffer, first: number, pass: number): void {
    const pcrShift = Math.round((pass * this.durationTicks) % PCR_CYCLE);
    const ptsShift = Math.round(((pass * this.durationTicks) % PCR_CYCLE) / 300);
    let index = first;
    for (let at = 0; at + TS_PACKET_BYTES <= packets.length; at += TS_PACKET_BYTES, index++) {
      const pid = pidAt(packets, at);
      if (pid === NULL_PID || transportErrorAt(packets, at)) continue;
      setContinuityAt(packets, at, continuityAt(packets, at) + pass * (this.#counterShift[pid] ?? 0));
      const pcr = pcrAt(packets, at);
      if (pcr !== undefined) setPcrAt(packets, at, pcr + pcrShift);
      shiftOpcrAt(packets, at, pcrShift);
      // A pass begins where the one before ended: what announced a jump at the start of the file has nothing to announce.
      if (this.#firstPacket.get(pid) === index) clearDiscontinuityAt(packets, at);
      if (!unitStartAt(packets, at) || !hasPayloadAt(packets, at) || scrambledAt(packets, at)) continue;
      shiftPesTimes(packets, at + payloadOffsetAt(packets, at), at + TS_PACKET_BYTES, ptsShift);
    }
  }

  /** @param pass the pass that the seam is behind */
  #writeSlot({ pid, pcr }: SeamSlot, pass: number): Buffer {
    const plain = { transportError: false, payloadUnitStart: false, priority: false, pid, scrambling: 0 };
    if (pcr === undefined) return writeTs({ ...plain, continuityCounter: 0, payload: STUFFING });
    const continuityCounter = ((this.#lastCounter[pid] ?? 0) + pass * (this.#counterShift[pid] ?? 0)) & 0x0f;
    const shifted = Math.round((pcr + pass * this.durationTicks) % PCR_CYCLE);
    const adaptationField = { discontinuity: false, randomAccess: false, priority: false, pcr: shifted };
    return writeTs({ ...plain, continuityCounter, adaptationField });
  }
}

const STUFFING = Buffer.alloc(TS_PACKET_BYTES - 4, 0xff);
