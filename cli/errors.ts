/**
 * The table of errors: each code's words for people, and its exit status.
 *
 * An error is always three lines: what happened, why, and what to do. Facts come from `LancastError.details`; those that
 * the thrower does not know are told in general words.
 */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import type { ErrorCode, LancastError } from '../wire/errors.ts';
import { brokenCopy, refusedCopy } from './copy-words.ts';
import { formatBytes, plainText } from './format.ts';
import { installHint } from './install-hint.ts';
import { nearest } from './nearest.ts';

/** An error as people read it. */
export interface Explanation {
  what: string;
  why: string;
  fix: string;
  /** Exit status when it ends the command. */
  exitCode: number;
}

/** Looks facts up: the text of one, made harmless, or the words for when it is not known. */
type Facts = (name: string, unknown?: string) => string;
type Row = readonly [exitCode: number, words: (facts: Facts, error: LancastError) => readonly string[]];

/** Exit statuses, for the help and the reference page. */
export const EXIT_CODES: readonly (readonly [code: number, meaning: string])[] = [
  [0, 'done'],
  [1, 'failed, or not healthy (probe)'],
  [2, 'wrong use of the command line'],
  [3, 'refused by the configuration'],
  [4, 'network: no route, no such interface, may not join or send'],
  [5, 'address or port in use'],
  [6, 'input: missing, empty, not media, damaged, a codec that cannot be sent'],
  [7, 'a device, or a permission that is missing'],
  [8, 'disk: full, not writable, failing'],
  [10, 'a program that is needed is missing'],
  [11, 'no data came'],
  [70, 'a bug in lancast'],
  [130, 'ended by Ctrl-C'],
  [143, 'ended by SIGTERM'],
];

const RANGE = 'groups are 224.0.0.0 to 239.255.255.255, and ff00::/8 in IPv6';
const OWN_GROUP = 'use a group of your own, such as rtp://239.255.1.1:5004';

const TABLE: Readonly<Record<ErrorCode, Row>> = {
  E001: [2, (facts, error) => [sentence(error), usageReason(facts), usageRemedy(facts)]],
  E101: [
    11,
    (facts) => [
      `No packets from ${facts('address', 'the sender')} for ${facts('seconds', 'some')} s.`,
      facts('why', 'the sender may not be sending, or the network does not carry it here'),
      facts('fix', 'start the sender, and check address, port and --iface on both sides'),
    ],
  ],
  E102: [
    4,
    (facts, error) => [
      facts('family', '') === ''
        ? `${facts('interface', 'That')} is not a network card or an address of this PC.`
        : sentence(error),
      `this PC has: ${facts('have', 'no card that is up')}`,
      'choose one of these with --iface, by name or address',
    ],
  ],
  E103: [
    4,
    (facts) => [
      `This PC has no route to ${facts('destination', 'that address')}.`,
      `cards that are up: ${facts('have', 'none')}`,
      'connect the network, or name a card with --iface (--iface lo tries it on this PC alone)',
    ],
  ],
  E104: [
    2,
    (facts) => [
      `${facts('address', 'That')} is a normal (unicast) address, not a multicast group.`,
      `${RANGE}; an @ before the address means a group`,
      'to send to that one PC, leave the @ out; to receive, name a group or an address of this PC',
    ],
  ],
  E105: [
    2,
    (facts) => [
      `${facts('group', 'That group')} is reserved for routers and never leaves the local link.`,
      '224.0.0.x belongs to the network itself',
      OWN_GROUP,
    ],
  ],
  E106: [
    2,
    () => [
      'TTL 0 would keep the stream inside this PC.',
      'each router takes one from the TTL, and at 0 nothing leaves at all',
      '--ttl 1 stays in this network; --iface lo keeps it on this PC',
    ],
  ],
  E107: [
    4,
    () => [
      'The system refused to join another group.',
      'Linux allows a limited number of groups per socket',
      'sudo sysctl -w net.ipv4.igmp_max_memberships=200',
    ],
  ],
  E109: [
    4,
    (facts) => [
      `A firewall on this PC blocked sending to ${facts('destination', 'the group')}.`,
      'the system refused the send (EPERM), which only a local rule does',
      'allow outgoing UDP to that address, for example: sudo ufw allow out proto udp to 224.0.0.0/4',
    ],
  ],
  E110: [
    4,
    (facts) => [
      `Packets reach ${facts('interface', 'the card')} but not lancast.`,
      'a firewall on this PC drops them',
      `allow incoming UDP, for example: sudo ufw allow ${facts('port', '5004')}/udp`,
    ],
  ],
  E111: [
    5,
    (facts) => [
      `UDP port ${facts('port', 'that was asked for')} is in use.`,
      facts('owner') === ''
        ? 'another program holds it'
        : `${facts('owner')} (pid ${facts('pid', 'unknown')}) holds it`,
      'close that program, or choose another port in the address',
    ],
  ],
  E112: [
    5,
    (facts) => [
      `${facts('host', '127.0.0.1')}:${facts('port', '1316')} is in use.`,
      'another program, perhaps another lancast viewer, serves there',
      'look whether it is the viewer you want, or take any free port with --http 127.0.0.1:0',
    ],
  ],
  E113: [
    4,
    (facts) => [
      `Datagrams of ${facts('bytes', '1328')} bytes do not fit the path to ${facts('destination', 'the receiver')}.`,
      'a network on the way carries only smaller ones',
      'use a path with an MTU of 1500, without a tunnel',
    ],
  ],
  E114: [
    0,
    (facts) =>
      facts('overruns') === ''
        ? [
            `The receive buffer of this PC is too small: ${facts('drops', 'some')} datagrams were dropped.`,
            'the system limits it, and a burst did not fit',
            'sudo sysctl -w net.core.rmem_max=33554432',
          ]
        : [
            `This PC was too busy: ${facts('drops', 'some')} datagrams were dropped before lancast could take them.`,
            `the memory for what arrives was full (${facts('overruns')} ×)`,
            'give this PC less to do; a larger buffer helps over short stalls: sudo sysctl -w net.core.rmem_max=33554432',
          ],
  ],
  E115: [
    4,
    (facts) => [
      `${facts('destination', 'That')} is a broadcast address: every PC of the network would get the stream.`,
      'that is not done unless it is asked for',
      'add --broadcast, or send to a multicast group',
    ],
  ],
  E116: [
    0,
    (facts) => [
      `A second sender (${facts('source', 'another PC')}) uses the same group. It is ignored.`,
      'two streams on one group and port cannot be told apart by most receivers',
      'give one of them another group, or pick one with --from',
    ],
  ],
  E117: [
    0,
    () => [
      "The sender's clock differs from this PC's.",
      'playback is fine; times of recordings use this PC’s clock',
      'let both PCs set their clocks by NTP',
    ],
  ],
  E118: [1, refusedCopy],
  E119: [1, brokenCopy],
  E120: [
    0,
    (facts) => [
      `${facts('repair', 'Repair')} takes up to ${facts('neededMs', 'some')} ms, and comes too late.`,
      `a missing datagram is waited for ${facts('latencyMs', '200')} ms`,
      `receive with --latency ${facts('advisedMs', '1000')}ms`,
    ],
  ],
  E201: [
    6,
    (facts) => {
      const meant = similarFile(facts('path'));
      return [
        `There is no file "${facts('path', 'of that name')}".`,
        meant === undefined ? 'nothing of that name is there' : 'a file of a similar name is there',
        meant === undefined ? 'check the name and the folder' : `did you mean "${plainText(meant)}"?`,
      ];
    },
  ],
  E202: [
    6,
    (facts) => [
      `"${facts('path', 'The input')}" does not look like video or audio.`,
      facts('reason', 'no known format was found in it'),
      'send a video or audio file; --as-is sends the bytes of any file (seq://)',
    ],
  ],
  E203: [
    6,
    (facts) => [
      `${facts('codec', 'A codec')} of "${facts('path', 'the input')}" cannot be sent.`,
      facts('reason', 'MPEG-TS does not carry it and ffmpeg cannot convert it here'),
      'convert the file to H.264 and AAC first; --as-is sends the bytes of any file (seq://)',
    ],
  ],
  E204: [
    10,
    (facts) => [
      'ffmpeg is not installed.',
      `it is needed for ${facts('purpose', 'everything that is not already MPEG-TS; .ts files work without it')}`,
      installHint('ffmpeg'),
    ],
  ],
  E205: [
    6,
    (facts) => [
      `ffmpeg stopped on its own (${facts('status', 'for an unknown reason')}).`,
      facts('stderr', 'it said nothing'),
      'what was sent until then has arrived; try the file with ffmpeg by hand, or convert it first',
    ],
  ],
  E206: [
    6,
    (facts) => [
      `"${facts('path', 'The file')}" is cut off.`,
      facts('reason', 'its index is missing: the recording or the copy was interrupted'),
      'copy or record it again; a .ts file can be sent even when it is cut',
    ],
  ],
  E207: [
    6,
    (facts) => [
      `"${facts('path', 'The input')}" is empty.`,
      facts('reason', 'there is not one byte in it'),
      'choose another one',
    ],
  ],
  E208: [
    7,
    (facts) => [
      `You may not read "${facts('path', 'the input')}".`,
      facts('reason', 'its permissions do not allow it'),
      'ask its owner, or change its permissions: chmod +r',
    ],
  ],
  E401: [
    8,
    (facts) => [
      `The disk is full: ${facts('path', 'the recording')} cannot grow.`,
      diskReason(facts('reason', 'ENOSPC')),
      'free some space; what is written so far is safe up to its last whole packet',
    ],
  ],
  E402: [
    8,
    (facts) => [
      `"${facts('path', 'The target')}" may not be written.`,
      diskReason(facts('reason', '')),
      'choose another place, or change the permissions of that one',
    ],
  ],
  E403: [
    0,
    (facts) => [
      `"${facts('path', 'The target')}" cannot keep up: ${waiting(facts('waitingBytes', ''))} wait.`,
      'the disk, or the reader of the pipe, is slower than the stream',
      'use a faster disk; up to 64 MiB wait in memory before anything is dropped',
    ],
  ],
  E404: [
    8,
    (facts) => [
      `Writing "${facts('path', 'the recording')}" failed.`,
      diskReason(facts('reason', 'EIO')),
      'check the disk; what is written so far is kept',
    ],
  ],
  E502: [
    3,
    (facts) => [
      `The viewer is not opened on ${facts('host', 'that address')}.`,
      'it has no password, so it is for this PC only',
      'use --http 127.0.0.1:1316',
    ],
  ],
  E503: [
    0,
    (facts) => [
      `A request of a foreign web page (${facts('origin', 'unknown')}) was refused.`,
      'only the viewer’s own page may use it',
      'open the address that lancast printed',
    ],
  ],
};

/** The words and the exit status of an error. */
export function explain(error: LancastError): Explanation {
  const facts: Facts = (name, unknown = '') => {
    const fact = error.details[name];
    const text = Array.isArray(fact) ? fact.join(', ') : String(fact ?? '');
    return text === '' ? unknown : plainText(text);
  };
  const [exitCode, words] = TABLE[error.code];
  const [what = '', why = '', fix = ''] = words(facts, error);
  return { what, why, fix, exitCode };
}

/** The three lines, for a terminal, after the mark `!` of a warning or `✗` of an error. `subject`: what it is about, as `film.ts: `. */
export function threeLines(error: LancastError, mark: '!' | '✗', subject = ''): string {
  const { what, why, fix } = explain(error);
  return `  ${mark} ${error.code} ${subject}${what}\n    why: ${why}\n    fix: ${fix}`;
}

function sentence(error: LancastError): string {
  const text = plainText(error.message);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function usageReason(facts: Facts): string {
  const expected = facts('expected');
  if (expected !== '') return `expected ${expected}`;
  return facts('reason', 'the command line does not fit the command');
}

function usageRemedy(facts: Facts): string {
  const meant = facts('meant');
  return meant === '' ? `lancast help ${facts('command')}`.trim() : `did you mean ${meant}?`;
}

/** A file of the same folder that may be meant. */
function similarFile(typed: string): string | undefined {
  try {
    const found = nearest(path.basename(typed), readdirSync(path.dirname(typed)));
    return found && path.join(path.dirname(typed), found);
  } catch {
    return undefined; // not even the folder is there
  }
}

function diskReason(reason: string): string {
  const words: Readonly<Record<string, string>> = {
    ENOENT: 'its folder does not exist',
    ENOTDIR: 'a part of its path is a file, not a folder',
    EISDIR: 'it is a folder',
    EEXIST: 'it is a file, and a folder is needed',
    EROFS: 'the disk is read-only',
    EACCES: 'its permissions do not allow it',
    EPERM: 'the system does not allow it',
    ETXTBSY: 'it is a program that is running',
    ENOSPC: 'no space is left',
    EDQUOT: 'your share of the disk is used up',
    EFBIG: 'this file system takes no file that large',
    EIO: 'the disk reported an error',
  };
  return words[reason] ?? (reason === '' ? 'its permissions do not allow it' : reason);
}

function waiting(bytes: string): string {
  return bytes === '' ? 'many bytes' : formatBytes(Number(bytes));
}
