/** Every word on the page. Text from outside (names, addresses) is only ever put in as text, never as markup. */
import { bitrate, count, duration, percent, seconds } from './format.ts';
import type { Health } from './health.ts';
import type { LostRow, MapRow } from './loss-map.ts';

/** Words of a message about something that is wrong. */
export interface TroubleWords {
  title: string;
  text: string;
  /** What to look at, in the order of how often it is the cause. */
  checks?: string[];
  /** A command line that helps, to be copied. */
  command?: string;
}

export const strings = {
  appName: 'lancast',
  skipToPlayer: 'Skip to the player',
  streams: 'Streams',
  streamList: 'Streams that this computer receives',
  loading: 'Asking what is being received …',
  empty: {
    title: 'No stream yet',
    text: 'Start one on any computer of this network, then watch it here:',
    command: 'lancast send film.mp4',
  },
  kinds: { video: 'Video', audio: 'Sound', data: 'Data', unknown: 'Stream' },

  health: {
    good: 'Good',
    fair: 'Some loss',
    poor: 'Heavy loss',
    waiting: 'Waiting',
    silent: 'No data',
    ended: 'Ended',
  } satisfies Record<Health, string>,

  connection: {
    connecting: 'Connecting',
    open: 'Connected',
    lost: 'Not connected',
    bannerTitle: 'The connection to lancast is lost.',
    bannerText: 'Playback goes on by itself as soon as lancast answers again.',
    retryIn: (s: number) => (s > 0 ? `Next try in ${s} s` : 'Trying again …'),
    retryNow: 'Try now',
  },

  player: {
    label: 'Player',
    play: 'Play',
    pause: 'Pause',
    mute: 'Mute',
    unmute: 'Sound on',
    soundOff: 'Sound is off.',
    clickForSound: 'Click for sound',
    volume: 'Volume',
    fullScreen: 'Full screen',
    leaveFullScreen: 'Leave full screen',
    toLive: 'Go to the newest picture',
    live: 'Live',
    delay: (s: number) => `−${seconds(s)}`,
    delayTitle: 'How far the picture is behind the newest data that has arrived',
    paused: 'Paused',
    starting: 'Starting …',
    waiting: 'Waiting for data …',
    stats: 'Numbers',
    soundOnly: 'Sound only',
    frozen: (lost: number) =>
      `Picture frozen: ${lost === 0 ? 'a piece of the stream is missing' : `${count(lost)} ${lost === 1 ? 'datagram' : 'datagrams'} lost`}, waiting for the next key frame`,
  },

  numbers: {
    title: 'What arrives',
    asOf: (time: string) => `as of ${time}`,
    bitrate: 'Bitrate',
    loss: 'Loss',
    lossOf: (lost: number, total: number) => `${count(lost)} of ${count(total)}`,
    atLeast: (value: string) => `at least ${value}`,
    jitter: 'Jitter',
    buffer: 'Receive buffer',
    late: 'Late',
    recovered: 'Recovered',
    byFec: (fec: number) => `${count(fec)} by FEC`,
    sentAgain: (again: number) => `${count(again)} sent again`,
    protection: 'Protected by FEC',
    paths: 'Two paths',
    reordered: 'Out of order',
    duplicate: 'Duplicates',
    overflow: 'Buffer overflow',
    continuity: 'Continuity errors',
    delay: 'Picture delay',
    kernelDrops: 'Dropped by this computer',
    restarts: 'Sender restarts',
    missingBefore: 'Sent before we joined',
    freezes: 'Picture frozen',
    soundGaps: 'Sound faded over holes',
    timesInAll: (times: number, ms: number) =>
      `${times === 1 ? 'once' : `${count(times)} times`}, ${seconds(ms / 1000)} in all`,
    media: 'Media',
    source: 'Sender',
    address: 'Address',
    framing: 'Framing',
    interface: 'Received on',
    interfaceValue: (name: string, address: string, reason: string) => `${name} (${address}): ${reason}`,
    framings: { rtp: 'RTP', udp: 'Bare MPEG-TS', seq: 'Sequence header' },
  },

  strip: {
    title: 'Loss and bitrate',
    recoveredLegend: 'Recovered',
    lostLegend: 'Lost',
    bitrateLegend: 'Bitrate',
    table: 'Show as a table',
    minute: 'Minute',
    received: 'Received',
    none: 'Nothing has been received yet.',
    fine: (received: number) => `${count(received)} datagrams received, none lost.`,
    summary: (lost: number, total: number, share: number, badSeconds: number) =>
      `${count(lost)} of ${count(total)} datagrams lost (${percent(share)}), in ${badSeconds} ` +
      `${badSeconds === 1 ? 'second' : 'seconds'}.`,
    recovered: (recovered: number) => ` ${count(recovered)} more were lost and brought back.`,
    cursor: (time: string, lost: number, share: number, bits: number) =>
      `${time}  ${bitrate(bits)}  ${lost === 0 ? 'no loss' : `${count(lost)} lost (${percent(share)})`}`,
  },

  losses: {
    title: 'Losses by cause',
    rows: {
      network: 'Network',
      ownBuffer: 'Our own buffer',
      late: 'Too late',
      overflow: 'Given up early',
      source: 'Hole in the source',
      recovered: 'Brought back',
    } satisfies Record<MapRow, string>,
    /** Of bare MPEG-TS nobody can tell. */
    networkOrSource: 'Network or source',
    /** What happened, with its number. */
    events: {
      network: (lost: string) => `${lost} lost in the network`,
      ownBuffer: (lost: string) => `${lost} lost in this computer’s own buffer`,
      late: (lost: string) => `${lost} came too late`,
      overflow: (lost: string) => `${lost} given up early for want of room`,
      source: (breaks: string) => `${breaks} missing in the source already`,
      recovered: (back: string) => `${back} brought back`,
    } satisfies Record<MapRow, (count: string) => string>,
    breaks: (breaks: string) => `${breaks} breaks of continuity, in the network or the source`,
    /** Behind a number, where it is said already that these were lost. */
    where: {
      network: 'in the network',
      ownBuffer: 'in this computer’s own buffer',
      late: 'too late',
      overflow: 'given up early for want of room',
    } satisfies Record<LostRow, string>,
    byFec: ' by FEC',
    sentAgain: ' by being sent again',
    busy: (times: number) => `this computer was too busy (${times === 1 ? 'once' : `${times} times`})`,
    nothing: 'nothing lost',
    notReceived: 'this stream was not being received yet',
    to: (from: string, to: string) => `${from} to ${to}`,
    at: (time: string, events: string) => `${time}: ${events}`,
    levels: ['1', '2–9', '10–99', '100–999', '1000+'],
    perColumn: (s: number) => (s === 1 ? 'Datagrams a second:' : `Datagrams in ${s} seconds:`),
    cursor: 'Second to look at',
    hint: 'Point at the map, or walk through it with the arrow keys: it says what happened when.',
    lately: (s: number) => (s >= 600 ? 'the last 10 minutes' : `the last ${duration(s * 1000)}`),
    fine: (lately: string) => `Nothing was lost in ${lately}.`,
    repaired: (lately: string) => `Nothing was lost for good in ${lately}.`,
    lost: (lost: number, lately: string) =>
      `${count(lost)} ${lost === 1 ? 'datagram' : 'datagrams'} lost for good in ${lately}`,
    broken: (breaks: number, lately: string) =>
      `${count(breaks)} ${breaks === 1 ? 'break' : 'breaks'} of continuity in ${lately}, in the network or the source.`,
    allOf: (where: string) => `, ${where}.`,
    partsOf: (parts: string) => `: ${parts}.`,
    holes: (breaks: number) =>
      breaks === 1
        ? ' One hole was in the source already.'
        : ` ${count(breaks)} holes were in the source already.`,
    back: (back: number, means: string) =>
      ` ${count(back)} ${back === 1 ? 'datagram was' : 'datagrams were'} lost and brought back${means}.`,
    period: (s: number) => ` Losses come every ${s} s.`,
    bursts: (times: number, lost: number, s: number) =>
      ` They came in ${times} bursts: on average ${count(lost)} datagrams within ${s === 1 ? 'a second' : `${s} s`}.`,
    advice: (sentence: string, remedy: string) => `${sentence}: ${remedy}.`,
    table: 'Show as a table',
    minute: 'Minute',
    tableNote: 'Minutes in which nothing was lost are left out.',
  },

  trouble: {
    region: 'What is wrong',
    copy: 'Copy',
    copied: 'Copied',
    waiting: (address: string, card: string, loopback: boolean): TroubleWords => ({
      title: 'Nothing has arrived yet.',
      text: `lancast listens to ${address} on ${card}. As soon as data comes, it plays here.`,
      checks: [
        'Is a sender running, and does it send to this very address and port?',
        ...(loopback
          ? [`Does it send on ${card}? Only senders on this computer can be heard there.`]
          : [
              `Is ${card} the network card that the sender can reach? Choose another with --iface.`,
              'Does a firewall on this computer or the sender block UDP?',
              'Is the sender behind a router? Then it needs a larger --ttl than 1.',
            ]),
      ],
    }),
    refused: (datagrams: number, faults: string): TroubleWords => ({
      title: 'Data arrives that lancast does not understand.',
      text: `${count(datagrams)} datagrams were neither RTP nor MPEG-TS nor had a sequence header (${faults}).`,
    }),
    silent: (
      since: string,
      ms: number,
      { card, loopback }: { card: string; loopback: boolean },
    ): TroubleWords => ({
      title: `No data since ${since}.`,
      text: `For ${duration(ms)} nothing has come, and the sender did not say goodbye. Playback goes on by itself when data comes again.`,
      checks: [
        'Is the sender still running and connected?',
        ...(loopback
          ? []
          : [
              `Is the cable of ${card} plugged in, or its wireless network connected?`,
              'Did it stop about four minutes after the start? Then a switch filters multicast and no router answers for it: ask for an IGMP querier.',
            ]),
      ],
    }),
    ended: (): TroubleWords => ({
      title: 'The sender has ended the stream.',
      text: 'When it starts again, it plays here by itself.',
    }),
    unknownStream: (id: string): TroubleWords => ({
      title: `There is no stream called "${id}" here.`,
      text: 'This is the first of those that are received. The list has them all.',
    }),
    secondSender: (sender: string): TroubleWords => ({
      title: 'A second sender uses the same address.',
      text: `${sender} is being ignored so that the picture stays whole. Give it an address of its own, or choose one of both with --from.`,
    }),
    understated: (): TroubleWords => ({
      title: 'Loss may be higher than shown.',
      text: 'This stream is bare MPEG-TS without sequence numbers: loss is told by its 4-bit counters alone. A sender with rtp:// tells all of it.',
    }),
    kernelDrops: (datagrams: number): TroubleWords => ({
      title: 'This computer dropped data itself.',
      text: `${count(datagrams)} datagrams reached this computer and found its receive buffer full. The network is not to blame.`,
      command: 'sudo sysctl -w net.core.rmem_max=8388608',
    }),
    noBrowserVideo: (codecs: string, vlc: string | undefined): TroubleWords => ({
      title: `No picture: this browser cannot play ${codecs}.`,
      text: 'The data arrives. A player with decoders of its own, such as VLC, can show it:',
      ...(vlc === undefined ? {} : { command: vlc }),
    }),
    noBrowserSound: (codecs: string, vlc: string | undefined): TroubleWords => ({
      title: `No sound: this browser cannot play ${codecs}.`,
      text: `The picture is shown without it. VLC plays both:`,
      ...(vlc === undefined ? {} : { command: vlc }),
    }),
    noMediaSource: (vlc: string | undefined): TroubleWords => ({
      title: 'This browser cannot play live streams.',
      text: 'It has no Media Source Extensions. A current Chrome, Edge, Firefox or Safari does, and so does VLC:',
      ...(vlc === undefined ? {} : { command: vlc }),
    }),
    noMedia: (): TroubleWords => ({
      title: 'Data arrives, but neither picture nor sound is announced in it.',
      text: 'It is not MPEG-TS, or its tables (PAT and PMT) have not come yet.',
    }),
    noKeyFrame: (ms: number): TroubleWords => ({
      title: 'Data arrives, but no picture can start yet.',
      text: `For ${duration(ms)} no complete key frame has come, and playback starts at one. Senders make one every few seconds; loss can spoil it.`,
    }),
    tooSlow: (times: number): TroubleWords => ({
      title: 'This page could not keep up.',
      text: `It skipped to the newest picture ${times === 1 ? 'once' : `${times} times`}. Other viewers and recordings are not touched by that. Closing other tabs helps.`,
    }),
    player: (detail: string): TroubleWords => ({
      title: 'The player stopped and is started again.',
      text: `The browser says: ${detail}`,
    }),
  },

  theme: { label: 'Colours', auto: 'Automatic', light: 'Light', dark: 'Dark' },

  keys: {
    title: 'Keyboard',
    open: 'Keyboard help',
    close: 'Close',
    enabled: 'Single-key shortcuts',
    list: [
      [['Space', 'K'], 'Play or pause'],
      [['M'], 'Sound on or off'],
      [['↑', '↓'], 'Louder, softer (in the player)'],
      [['F'], 'Full screen'],
      [['End'], 'Go to the newest picture (in the player)'],
      [['I'], 'Show or hide the numbers'],
      [['H'], 'Show or hide the map of losses'],
      [['?'], 'This help'],
    ] as [keys: string[], does: string][],
  },
};
