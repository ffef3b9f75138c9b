/** What a stream's tables come to: codecs, names, changes of version, hostile tables, and the packets for late joiners. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeStream } from '../../wire/codec-names.ts';
import type { ElementaryStream } from '../../wire/metrics.ts';
import { continuityAt, pidAt } from '../../wire/mpeg-ts.ts';
import { ProgrammeTable, type TableNews } from '../../wire/programme-table.ts';
import { writePat, writePmt, writeSdt, type Pmt } from '../../wire/psi.ts';
import { packetizeSection } from '../../wire/sections.ts';
import { programme } from '../helpers/programme.ts';

const head = { version: 0, current: true, sectionNumber: 0, lastSectionNumber: 0 };

function descriptor(tag: number, body: string | Buffer): { tag: number; body: Buffer } {
  return { tag, body: typeof body === 'string' ? Buffer.from(body, 'latin1') : body };
}

describe('describeStream', () => {
  const registration = (id: string) => descriptor(0x05, id);
  const cases: [
    type: number,
    descriptors: ReturnType<typeof descriptor>[],
    codec: string,
    kind: ElementaryStream['kind'],
  ][] = [
    [0x01, [], 'MPEG-1 video', 'video'],
    [0x02, [], 'MPEG-2 video', 'video'],
    [0x03, [], 'MPEG audio', 'audio'],
    [0x04, [], 'MPEG audio', 'audio'],
    [0x0f, [], 'AAC', 'audio'],
    [0x11, [], 'AAC (LATM)', 'audio'],
    [0x1b, [], 'H.264', 'video'],
    [0x24, [], 'H.265', 'video'],
    [0x81, [], 'AC-3', 'audio'],
    [0x86, [], 'SCTE-35', 'data'],
    [0x87, [], 'E-AC-3', 'audio'],
    [0x06, [registration('Opus'), descriptor(0x7f, '\x80\x02')], 'Opus', 'audio'],
    [0x06, [registration('HEVC')], 'H.265', 'video'],
    [0x06, [registration('AC-3')], 'AC-3', 'audio'],
    [0x06, [descriptor(0x6a, '\0')], 'AC-3', 'audio'],
    [0x06, [descriptor(0x7a, '\0')], 'E-AC-3', 'audio'],
    [0x06, [descriptor(0x59, 'deu\x10\0\0\0\0')], 'DVB subtitles', 'subtitle'],
    [0x06, [descriptor(0x56, 'deu\0\0')], 'teletext', 'subtitle'],
    [0x06, [], 'type 0x06', 'data'],
    [0x06, [registration('????')], 'type 0x06', 'data'],
    [0x05, [descriptor(0x6a, '\0')], 'type 0x05', 'data'],
    [0xff, [], 'type 0xff', 'data'],
  ];
  for (const [streamType, descriptors, codec, kind] of cases) {
    const tags = descriptors.map(
      ({ tag, body }) => `${tag.toString(16)} ${JSON.stringify(body.toString('latin1'))}`,
    );
    it(`calls type 0x${streamType.toString(16)} with ${tags.join(', ') || 'no descriptor'} ${codec}`, () => {
      expect(describeStream({ streamType, pid: 7, descriptors }, [])).toMatchObject({
        pid: 7,
        streamType,
        codec,
        kind,
      });
    });
  }

  it('reads the types of Blu-ray discs only where the programme says so', () => {
    const stream = { streamType: 0x83, pid: 7, descriptors: [] };
    expect(describeStream(stream, [registration('HDMV')]).codec).toBe('TrueHD');
    expect(describeStream(stream, []).codec).toBe('type 0x83');
  });

  const languages: [body: string, language: string | undefined][] = [
    ['eng\0', 'eng'],
    ['DEU\0', 'deu'],
    ['und\0', undefined],
    ['e\x1b[\0', undefined],
    ['en', undefined],
  ];
  for (const [body, language] of languages) {
    it(`takes ${JSON.stringify(body)} for ${language ?? 'no language'}`, () => {
      const stream = { streamType: 0x0f, pid: 7, descriptors: [descriptor(0x0a, body)] };
      expect(describeStream(stream, []).language).toBe(language);
    });
  }
});

/** Feeds a table with sections on their PIDs; gives the news of each last packet. */
function feed(table: ProgrammeTable, ...sections: [pid: number, section: Buffer][]): TableNews[] {
  return sections.map(([pid, section]) => {
    let news: TableNews = 'none';
    for (const packet of packetizeSection(section, pid, 0))
      if (table.isTable(pid)) news = table.push(packet, 0);
    return news;
  });
}

function pat(numbers: readonly number[], version = 0): [number, Buffer] {
  const programmes = numbers.map((number) => ({ number, pmtPid: 0x1000 + number }));
  return [0, writePat({ ...head, version, transportStreamId: 1, programmes })];
}

function pmt(number: number, more: Partial<Pmt> = {}): [number, Buffer] {
  const streams = [{ streamType: 0x1b, pid: 0x100 + number, descriptors: [] }];
  const fields = { ...head, programmeNumber: number, pcrPid: 0x100 + number, descriptors: [], streams };
  return [0x1000 + number, writePmt({ ...fields, ...more })];
}

function sdt(number: number, name: string, version = 0): [number, Buffer] {
  const services = [{ id: number, provider: 'us', name }];
  return [0x11, writeSdt({ ...head, version, transportStreamId: 1, originalNetworkId: 1, services })];
}

describe('ProgrammeTable', () => {
  it('knows the programmes of a stream once their tables came', () => {
    const stream = programme({ durationMs: 10, programmes: 2 });
    const table = new ProgrammeTable();
    for (let at = 0; at < stream.length; at += 188)
      if (table.isTable(pidAt(stream, at))) table.push(stream, at);
    const streams = (video: number) => [
      { pid: video, streamType: 0x1b, codec: 'H.264', kind: 'video' },
      { pid: video + 1, streamType: 0x0f, codec: 'AAC', kind: 'audio', language: 'eng' },
    ];
    expect(table.programmes).toEqual([
      { number: 1, name: 'Programme 1', provider: 'lancast', pcrPid: 0x100, streams: streams(0x100) },
      { number: 2, name: 'Programme 2', provider: 'lancast', pcrPid: 0x110, streams: streams(0x110) },
    ]);
    expect(table.streamOn(0x111)?.codec).toBe('AAC');
    expect(table.programmeOn(0x111)?.number).toBe(2);
    expect(table.streamOn(0x1000)).toBeUndefined();
  });

  it('says what each packet brought', () => {
    const table = new ProgrammeTable();
    expect(feed(table, pmt(1), pat([1]), pmt(1), sdt(1, 'One'))).toEqual(['none', 'table', 'table', 'table']);
  });

  it('keeps the list as it is while the same tables come again', () => {
    const table = new ProgrammeTable();
    feed(table, pat([1]), pmt(1), sdt(1, 'One'));
    const { programmes } = table;
    feed(table, pat([1]), pmt(1), sdt(1, 'One'));
    expect(table.programmes).toBe(programmes);
  });

  it('follows a new version of each table', () => {
    const table = new ProgrammeTable();
    feed(table, pat([1, 2]), pmt(1), pmt(2), sdt(1, 'One'));
    feed(table, pat([2, 3], 1), pmt(3), pmt(2, { version: 1, pcrPid: 0x1fff }), sdt(3, 'Three', 1));
    expect(table.programmes.map(({ number, name, pcrPid }) => [number, name, pcrPid])).toEqual([
      [2, undefined, 0x1fff],
      [3, 'Three', 0x103],
    ]);
    expect(table.isTable(0x1001)).toBe(false);
    expect(table.streamOn(0x101)).toBeUndefined();
  });

  it('takes a programme back that was gone for a while, on a PID that stayed', () => {
    const table = new ProgrammeTable();
    const both = (version: number, numbers: number[]): [number, Buffer] => {
      const programmes = numbers.map((number) => ({ number, pmtPid: 0x1001 }));
      return [0, writePat({ ...head, version, transportStreamId: 1, programmes })];
    };
    const first: [number, Buffer] = [0x1001, pmt(1)[1]];
    const second: [number, Buffer] = [0x1001, pmt(2)[1]];
    feed(table, both(0, [1, 2]), first, second, first);
    feed(table, both(1, [2]), second);
    expect(table.programmes.map(({ number }) => number)).toEqual([2]);
    feed(table, both(2, [1, 2]), first);
    expect(table.programmes.map(({ number }) => number)).toEqual([1, 2]);
  });

  it('gathers a PAT of several sections', () => {
    const table = new ProgrammeTable();
    const part = (sectionNumber: number): [number, Buffer] => {
      const programmes = [{ number: sectionNumber + 1, pmtPid: 0x1001 + sectionNumber }];
      return [
        0,
        writePat({ ...head, sectionNumber, lastSectionNumber: 1, transportStreamId: 1, programmes }),
      ];
    };
    feed(table, part(0), part(1), pmt(1), pmt(2));
    expect(table.programmes.map(({ number }) => number)).toEqual([1, 2]);
  });

  it('does not take the network table for a programme', () => {
    const table = new ProgrammeTable();
    feed(table, pat([0, 1]), pmt(1));
    expect([...table.pmtPids]).toEqual([0x1001]);
  });

  const ignored: [name: string, sections: [number, Buffer][], news: TableNews][] = [
    ['a table that applies later', [pmt(1, { current: false })], 'none'],
    ['a PMT on the PID of another programme', [[0x1002, pmt(1)[1]]], 'none'],
    ['a PMT of a programme that the PAT does not name', [[0x1001, pmt(9)[1]]], 'none'],
    ['another table on the PID of a PMT', [[0x1001, sdt(1, 'One')[1]]], 'none'],
    ['another table on the PID of the PAT', [[0, pmt(1)[1]]], 'foreign'],
  ];
  for (const [name, sections, news] of ignored) {
    it(`leaves out ${name}`, () => {
      const table = new ProgrammeTable();
      feed(table, pat([1, 2]));
      expect(feed(table, ...sections)).toEqual([news]);
      expect(table.programmes).toEqual([]);
    });
  }

  it('leaves out sections that are broken, marked as broken or scrambled', () => {
    const changes: [change: (packet: Buffer) => void, news: TableNews][] = [
      [(packet) => (packet[17] = 0x55), 'none'],
      [(packet) => (packet[1] = (packet[1] ?? 0) | 0x80), 'none'],
      [(packet) => (packet[3] = (packet[3] ?? 0) | 0x80), 'foreign'],
    ];
    for (const [change, news] of changes) {
      const table = new ProgrammeTable();
      const [packet] = packetizeSection(pat([1])[1], 0, 0);
      change(packet!);
      expect(table.push(packet!, 0)).toBe(news);
      expect([...table.pmtPids]).toEqual([]);
    }
  });

  it('bounds what a hostile PAT can make it keep', () => {
    const table = new ProgrammeTable();
    for (let sectionNumber = 0; sectionNumber < 20; sectionNumber++) {
      const programmes = Array.from({ length: 200 }, (_, i) => {
        const number = 1 + sectionNumber * 200 + i;
        return { number, pmtPid: 0x20 + (number % 0x1f00) };
      });
      feed(table, [
        0,
        writePat({ ...head, sectionNumber, lastSectionNumber: 19, transportStreamId: 1, programmes }),
      ]);
    }
    expect([...table.pmtPids].length).toBe(253);
  });

  it('writes tables for who joins midway, in order and up to where the counters are', () => {
    const stream = programme({ durationMs: 250, programmes: 2 });
    const table = new ProgrammeTable();
    const last = new Map<number, number>();
    for (let at = 0; at < stream.length; at += 188) {
      const pid = pidAt(stream, at);
      if (!table.isTable(pid)) continue;
      table.push(stream, at);
      last.set(pid, continuityAt(stream, at));
    }
    const packets = table.packets();
    const joined = new ProgrammeTable();
    for (let at = 0; at < packets.length; at += 188) {
      const pid = pidAt(packets, at);
      expect(joined.isTable(pid)).toBe(true);
      expect(continuityAt(packets, at)).toBe(last.get(pid));
      joined.push(packets, at);
    }
    expect(joined.programmes).toEqual(table.programmes);
  });

  it('has nothing to write before a table came', () => expect(new ProgrammeTable().packets().length).toBe(0));

  it('never throws, whatever packets it gets', () => {
    const packets = fc.array(
      fc.tuple(fc.constantFrom(0, 0x11, 0x1001), fc.uint8Array({ minLength: 186, maxLength: 186 })),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(packets, (packets) => {
        const table = new ProgrammeTable();
        feed(table, pat([1]), pmt(1));
        for (const [pid, bytes] of packets) {
          const packet = Buffer.concat([Buffer.of(0x47, 0x40 | (pid >> 8)), bytes]);
          packet[2] = pid & 0xff;
          table.push(packet, 0);
        }
        expect(table.programmes.length).toBeLessThanOrEqual(253);
      }),
      { seed: 7, numRuns: 300 },
    );
  });
});
