/** The words about copies that did not arrive (`copy://`). */
import { formatBytes, formatCount } from './format.ts';

type Words = readonly [why: string, fix: string];
type Facts = (name: string, unknown?: string) => string;

/** Why a receiver takes no copy. */
const REFUSALS: Readonly<Record<string, Words>> = {
  'no-space': ['there is not enough room on its disk', 'free some space there and send it again'],
  'not-writable': ['its folder may not be written', 'choose another folder there, or change its permissions'],
  'disk-failed': ['its disk failed', 'check the disk there'],
  'bad-name': ['no file can have that name there', 'give it another one with --name'],
  differs: ['what arrived is not what was sent, and was thrown away', 'send it again'],
  stopped: ['it was stopped', 'start it again and send the file again: it goes on where it stopped'],
  failed: ['lancast failed there', 'look what it says there'],
  silent: ['it heard nothing of this PC for too long', 'send it again: it goes on where it stopped'],
};
const UNKNOWN: Words = ['it does not say why', 'look what it says there'];

/** Why a copy ended before its time. */
const INTERRUPTIONS: Readonly<Record<string, Words>> = {
  unanswered: [
    'nobody answered: no receiver runs there, or a firewall drops what is sent to it',
    'start it there first: lancast record copy://:PORT FOLDER',
  ],
  changed: ['it changed while it was sent', 'send it again when nobody writes to it'],
};
const SILENT: Words = [
  'the receiver was not heard any more',
  'send it again when it is back: it goes on where it stopped',
];

/** E118. */
export function refusedCopy(facts: Facts): readonly string[] {
  const [why, fix] = REFUSALS[facts('reason')] ?? UNKNOWN;
  const free = facts('freeBytes');
  return [
    `${facts('address', 'The receiver')} did not take "${facts('path', 'the file')}"${behind(facts)}.`,
    free === '' ? why : `${why}: ${formatBytes(Number(free))} are free`,
    fix,
  ];
}

/** E119. */
export function brokenCopy(facts: Facts): readonly string[] {
  const [why, fix] = INTERRUPTIONS[facts('reason')] ?? SILENT;
  return [`"${facts('path', 'The file')}" did not arrive whole${behind(facts)}.`, why, fix];
}

/** What of a file of so many bytes is missing when its first `arrived` are there: `bytes 1 316 to 2 631 of 2 632 are missing`. */
export function missingBytes(arrived: number, bytes: number): string {
  if (arrived === 0) return 'nothing of it is there';
  return `bytes ${formatCount(arrived)} to ${formatCount(bytes - 1)} of ${formatCount(bytes)} are missing`;
}

function behind(facts: Facts): string {
  const missing = facts('missing');
  return missing === '' ? '' : `: ${missing}`;
}
