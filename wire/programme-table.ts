/** Keeps what PAT, PMT and SDT say of a transport stream, in the order in which its packets bring it. */
import { describeStream } from './codec-names.ts';
import type { ElementaryStream, Programme } from './metrics.ts';
import {
  PID_COUNT,
  TS_PACKET_BYTES,
  continuityAt,
  payloadOffsetAt,
  pidAt,
  scrambledAt,
  setContinuityAt,
  transportErrorAt,
  unitStartAt,
} from './mpeg-ts.ts';
import { PAT_PID, SDT_PID, parsePat, parsePmt, parseSdt, type Pat, type Pmt, type Sdt } from './psi.ts';
import { SectionAssembler, packetizeSection } from './sections.ts';

/**
 * What a packet brought: `table`: a whole section, free of error, of the table that belongs on its PID; `foreign`: one that must
 * not be there, or a scrambled packet; `none`: neither.
 */
export type TableNews = 'none' | 'table' | 'foreign';

/** What is known of one table PID. */
interface TablePid {
  assembler: SectionAssembler;
  /** The last good sections: by programme number for PMTs, else by section number. */
  sections: Map<number, Buffer>;
  /** Continuity counter of its last packet. */
  counter: number;
  /** What its last packet carried when that was whole tables: nearly always the next one carries the same. */
  repeated: Buffer | undefined;
}

/** Programmes kept at most; what one section of a PAT can name. */
const MOST_PROGRAMMES = 253;

/** The tables of one transport stream. Takes the packets for which `isTable` says so. */
export class ProgrammeTable {
  #programmes: readonly Programme[] = [];
  readonly #tables = new Map<number, TablePid>();
  /** 1 for the PIDs in `#tables`, which every packet asks for. */
  readonly #isTable = new Uint8Array(PID_COUNT);
  readonly #pats = new Map<number, Pat>();
  readonly #pmts = new Map<number, { pid: number; pmt: Pmt }>();
  readonly #sdts = new Map<number, Sdt>();
  /** PMT PIDs by programme number, as the PAT has them. */
  #pmtPids = new Map<number, number>();
  #owners = new Map<number, { stream: ElementaryStream; programme: Programme }>();

  constructor() {
    this.#open(PAT_PID);
    this.#open(SDT_PID);
  }

  /** The programmes whose PMT is known, in the order of the PAT. A new array whenever they change. */
  get programmes(): readonly Programme[] {
    return this.#programmes;
  }

  /** PIDs on which PMTs are due. */
  get pmtPids(): Iterable<number> {
    return this.#pmtPids.values();
  }

  /** True for PIDs whose packets `push` is for. */
  isTable(pid: number): boolean {
    return this.#isTable[pid] === 1;
  }

  /** The elementary stream on a PID, when a PMT names it. */
  streamOn(pid: number): ElementaryStream | undefined {
    return this.#owners.get(pid)?.stream;
  }

  /** The programme that the stream on a PID belongs to; the first one, when several share it. */
  programmeOn(pid: number): Programme | undefined {
    return this.#owners.get(pid)?.programme;
  }

  /** Takes the packet that starts at `at`, of a table's PID. */
  push(bytes: Buffer, at: number): TableNews {
    const pid = pidAt(bytes, at);
    const table = this.#tables.get(pid);
    if (!table || transportErrorAt(bytes, at)) return 'none';
    if (scrambledAt(bytes, at)) return 'foreign';
    table.counter = continuityAt(bytes, at);
    if (unitStartAt(bytes, at) && table.assembler.idle && isRepeated(table, bytes, at)) return 'table';
    const payload = bytes.subarray(at + payloadOffsetAt(bytes, at), at + TS_PACKET_BYTES);
    let news: TableNews = 'none';
    for (const section of table.assembler.push(payload, unitStartAt(bytes, at))) {
      const brought = this.#take(pid, table, section);
      if (news === 'none' || brought === 'foreign') news = brought;
    }
    table.repeated = news === 'table' && table.assembler.idle ? Buffer.from(payload) : undefined;
    return news;
  }

  /**
   * The tables as packets of their own, to lead a stream that is joined midway. Their continuity counters end where the last
   * ones seen did, so what follows is in order.
   */
  packets(): Buffer {
    const packets: Buffer[] = [];
    for (const [pid, { sections, counter }] of this.#tables) {
      const own = [...sections.values()].flatMap((section) => packetizeSection(section, pid, 0));
      own.forEach((packet, index) => setContinuityAt(packet, 0, counter - own.length + 1 + index));
      packets.push(...own);
    }
    return Buffer.concat(packets);
  }

  #open(pid: number): void {
    if (this.#isTable[pid] === 1) return;
    this.#isTable[pid] = 1;
    this.#tables.set(pid, {
      assembler: new SectionAssembler(),
      sections: new Map(),
      counter: 0,
      repeated: undefined,
    });
  }

  #take(pid: number, table: TablePid, section: Buffer): TableNews {
    for (const known of table.sections.values()) if (known.equals(section)) return 'table';
    if (pid === PAT_PID) return this.#takePat(table, section);
    if (pid === SDT_PID) return this.#takeSdt(table, section);
    return this.#takePmt(pid, table, section);
  }

  #takePat(table: TablePid, section: Buffer): TableNews {
    const pat = parsePat(section);
    if (typeof pat === 'string') return pat === 'wrong-table' ? 'foreign' : 'none';
    if (!pat.current) return 'none';
    renew(this.#pats, table, pat);
    this.#pats.set(pat.sectionNumber, pat);
    table.sections.set(pat.sectionNumber, section);

    const listed = [...this.#pats.values()].flatMap(({ programmes }) => programmes);
    const named = listed.filter(({ number }) => number !== 0).slice(0, MOST_PROGRAMMES);
    this.#pmtPids = new Map(named.map(({ number, pmtPid }) => [number, pmtPid]));
    const pids = new Set([PAT_PID, SDT_PID, ...this.#pmtPids.values()]);
    for (const known of this.#tables.keys()) if (!pids.has(known)) this.#close(known);
    for (const [number, { pid }] of this.#pmts)
      if (this.#pmtPids.get(number) !== pid) this.#forget(number, pid);
    for (const wanted of pids) this.#open(wanted);
    this.#compile();
    return 'table';
  }

  #close(pid: number): void {
    this.#isTable[pid] = 0;
    this.#tables.delete(pid);
  }

  /** Drops a PMT that the PAT no longer names on its PID. */
  #forget(number: number, pid: number): void {
    this.#pmts.delete(number);
    const table = this.#tables.get(pid);
    table?.sections.delete(number);
    if (table) table.repeated = undefined;
  }

  #takePmt(pid: number, table: TablePid, section: Buffer): TableNews {
    const pmt = parsePmt(section);
    if (typeof pmt === 'string' || !pmt.current) return 'none';
    if (this.#pmtPids.get(pmt.programmeNumber) !== pid) return 'none';
    this.#pmts.set(pmt.programmeNumber, { pid, pmt });
    table.sections.set(pmt.programmeNumber, section);
    this.#compile();
    return 'table';
  }

  #takeSdt(table: TablePid, section: Buffer): TableNews {
    const sdt = parseSdt(section);
    if (typeof sdt === 'string' || !sdt.current) return 'none';
    renew(this.#sdts, table, sdt);
    this.#sdts.set(sdt.sectionNumber, sdt);
    table.sections.set(sdt.sectionNumber, section);
    this.#compile();
    return 'table';
  }

  #compile(): void {
    const services = new Map(
      [...this.#sdts.values()].flatMap((sdt) => sdt.services.map((service) => [service.id, service])),
    );
    this.#owners = new Map();
    const programmes: Programme[] = [];
    for (const number of this.#pmtPids.keys()) {
      const pmt = this.#pmts.get(number)?.pmt;
      if (!pmt) continue;
      const { name = '', provider = '' } = services.get(number) ?? {};
      const streams = pmt.streams.map((stream) => describeStream(stream, pmt.descriptors));
      const programme: Programme = { number, pcrPid: pmt.pcrPid, streams };
      if (name !== '') programme.name = name;
      if (provider !== '') programme.provider = provider;
      programmes.push(programme);
      for (const stream of streams) {
        if (!this.#owners.has(stream.pid)) this.#owners.set(stream.pid, { stream, programme });
      }
    }
    this.#programmes = programmes;
  }
}

function isRepeated({ repeated }: TablePid, bytes: Buffer, at: number): boolean {
  const from = at + payloadOffsetAt(bytes, at);
  return (
    repeated !== undefined && bytes.compare(repeated, 0, repeated.length, from, at + TS_PACKET_BYTES) === 0
  );
}

/** Drops the sections of an older version: those of a new one replace them all. */
function renew<Kept extends Pat | Sdt>(kept: Map<number, Kept>, table: TablePid, fresh: Kept): void {
  for (const old of kept.values()) {
    if (old.version === fresh.version && old.transportStreamId === fresh.transportStreamId) continue;
    kept.clear();
    table.sections.clear();
    return;
  }
}
