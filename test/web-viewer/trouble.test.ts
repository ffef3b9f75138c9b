import { describe, expect, it } from 'vitest';
import type { StreamSnapshot } from '../../wire/metrics.ts';
import { playability, titleOf, type CanPlay } from '../../web-viewer/page/playability.ts';
import { troubles, vlcLine, type PageFacts, type Trouble } from '../../web-viewer/page/trouble.ts';
import { AAC, H264, MP2, MPEG2, snapshotOf } from '../helpers/snapshots.ts';

const canPlay: CanPlay = (type) => /avc1|mp4a\.40|opus|audio\/mpeg/.test(type);

function found(changes: Partial<StreamSnapshot>, page: Partial<PageFacts> = {}, asked = canPlay): Trouble[] {
  const stream = snapshotOf(changes);
  return troubles(stream, { wallMs: 1e12, playability: playability(stream, asked), skips: 0, ...page });
}

function programme(...streams: (typeof H264)[]): Partial<StreamSnapshot> {
  return { programmes: [{ number: 1, pcrPid: 256, streams }] };
}

describe('troubles', () => {
  const cases: [name: string, changes: Partial<StreamSnapshot>, page: Partial<PageFacts>, ids: string[]][] = [
    ['says nothing when all is well', {}, {}, []],
    ['says what to check while nothing has arrived', { state: 'waiting' }, {}, ['waiting']],
    ['says that data is not understood', { state: 'waiting', refused: { 'too-short': 4 } }, {}, ['refused']],
    ['says since when there is no data', { state: 'silent', silentMs: 12_000 }, {}, ['silent']],
    ['says that the sender has ended', { state: 'ended' }, {}, ['ended']],
    ['says that there is no stream of the name asked for', {}, { unknownId: 'nave' }, ['unknownStream']],
    ['names a second sender', { secondSender: '192.168.1.77' }, {}, ['secondSender']],
    ['says that loss may be understated', { lossMayBeUnderstated: true }, {}, ['understated']],
    ['tells our own drops from the network', { kernelDrops: 3 }, {}, ['kernelDrops']],
    ['says nothing of drops that did not happen', { kernelDrops: 0 }, {}, []],
    ['says which picture no browser plays', programme(MPEG2, AAC), {}, ['noBrowserVideo']],
    ['says which sound no browser plays', programme(H264, MP2), {}, ['noBrowserSound']],
    ['is quiet when another sound can be played', programme(H264, MP2, AAC), {}, []],
    ['says that sound alone cannot be played', programme(MP2), {}, ['noBrowserSound']],
    ['says that the page was too slow', {}, { skips: 2 }, ['tooSlow']],
    ['is patient for a while', {}, { startingMs: 5000 }, []],
    ['says what is missing for a picture', {}, { startingMs: 7000 }, ['noKeyFrame']],
    ['says that there is nothing to play', { programmes: [] }, { startingMs: 7000 }, ['noMedia']],
    ['repeats what the browser says', {}, { playerError: 'decode' }, ['player']],
    [
      'puts what is worst first',
      { state: 'silent', secondSender: '10.0.0.1', lossMayBeUnderstated: true },
      {},
      ['silent', 'secondSender', 'understated'],
    ],
  ];
  for (const [name, changes, page, ids] of cases) {
    it(name, () => expect(found(changes, page).map(({ id }) => id)).toEqual(ids));
  }

  it('names the codec and gives the line for VLC', () => {
    const [trouble] = found(programme(MPEG2, MP2));
    expect(trouble?.title).toContain('MPEG-2 video and MP2');
    expect(trouble?.command).toBe('vlc rtp://@239.255.13.16:5004');
  });

  it('says so when the browser has no Media Source Extensions', () => {
    expect(
      troubles(snapshotOf(), { wallMs: 0, playability: playability(snapshotOf(), undefined), skips: 0 }),
    ).toMatchObject([{ id: 'noMediaSource', level: 'bad' }]);
  });

  it('does not ask for the cable of the loopback interface', () => {
    const lo = { name: 'lo', address: '127.0.0.1', reason: '' };
    expect(JSON.stringify(found({ state: 'silent', silentMs: 1 }))).toContain('cable');
    expect(JSON.stringify(found({ state: 'silent', silentMs: 1, interface: lo }))).not.toContain('cable');
  });
});

describe('playability', () => {
  it('judges the first programme with pictures or sound', () => {
    const data = {
      number: 1,
      pcrPid: 1,
      streams: [{ pid: 9, streamType: 6, codec: 'type 0x06', kind: 'data' as const }],
    };
    const film = { number: 2, pcrPid: 256, streams: [H264, MP2] };
    const { playable, refused } = playability(snapshotOf({ programmes: [data, film] }), canPlay);
    expect(playable).toEqual([H264]);
    expect(refused).toEqual([MP2]);
  });

  it('asks the browser, and believes it', () => {
    expect(playability(snapshotOf(), () => false).playable).toEqual([]);
  });
});

describe('titleOf', () => {
  const address = 'rtp://239.255.13.16:5004';
  const named = [{ number: 1, pcrPid: 256, name: 'Lighthouse', streams: [H264] }];
  const cases: [name: string, changes: Partial<StreamSnapshot>, title: string][] = [
    ['the name that was given here', { name: 'Film', programmes: named }, 'Film'],
    ['the name that the programme carries', { name: address, programmes: named }, 'Lighthouse'],
    ['the address, when there is no other', { name: address }, address],
  ];
  for (const [name, changes, title] of cases)
    it(`is ${name}`, () => expect(titleOf(snapshotOf(changes))).toBe(title));
});

describe('vlcLine', () => {
  const cases: [address: string, framing: StreamSnapshot['framing'], line: string | undefined][] = [
    ['rtp://239.1.2.3:5004', 'rtp', 'vlc rtp://@239.1.2.3:5004'],
    ['rtp://@239.1.2.3:5004', 'rtp', 'vlc rtp://@239.1.2.3:5004'],
    ['rtp://239.1.2.3:5004', 'udp', 'vlc udp://@239.1.2.3:5004'],
    ['udp://[ff15::1]:5004', 'udp', 'vlc udp://@[ff15::1]:5004'],
    ['seq://239.1.2.3:5004', 'seq', undefined],
  ];
  for (const [address, framing, line] of cases) {
    it(`is ${line} for ${address} (${framing})`, () =>
      expect(vlcLine(snapshotOf({ address, ...(framing && { framing }) }))).toBe(line));
  }
});
