/** The words about what is being sent, and what was. */
import type { SenderProgress } from '../sender/index.ts';
import type { SourceDescription } from '../sender/source.ts';
import type { ChosenInterface } from '../transport/udp.ts';
import { formatEndpoint, formatMediaAddress, type MediaAddress } from '../wire/address.ts';
import type { FecSetting } from '../wire/fec/fec-setting.ts';
import { formatBytes, formatClock, formatShare, plural } from './format.ts';
import { commandName } from './installation.ts';
import type { JsonEvent, Voice } from './output.ts';
import { fecText } from './protecting.ts';
import { tell } from './report.ts';
import type { OpenSender, Sent } from './sending.ts';

/** The lines that others type to receive it. */
export function sayReceivers(address: MediaAddress, voice: Voice): void {
  const url = formatMediaAddress(address);
  voice.say(`  ➜ other PC     ${commandName()} watch ${url}`);
  if (address.framing === 'seq') return; // nobody else speaks it
  const host = address.scope === 'unicast' ? `:${address.port}` : formatEndpoint(address);
  voice.say(`  ➜ VLC          vlc ${address.framing}://@${host}`);
}

/** `eth0 (192.168.1.20), the route to 239.255.13.16`. */
export function cardWords({ name, address, reason }: ChosenInterface): string {
  return `${name} (${address}), ${reason}`;
}

/** What programs are told when a stream begins to be sent. @param name what people call it */
export function sendingEvent(
  { session, via, secondPath }: OpenSender,
  {
    name,
    addresses,
    ttl,
    fec,
  }: { name: string; addresses: readonly MediaAddress[]; ttl: number; fec?: FecSetting | 'auto' | undefined },
): JsonEvent {
  const { media, durationMs, totalBytes, notes } = session.source;
  return {
    event: 'sending',
    to: addresses.map((each) => formatMediaAddress(each)),
    name,
    media,
    durationMs,
    totalBytes,
    ttl,
    interface: via,
    fec: fecText(fec),
    secondPath: secondPath && {
      to: secondPath.addresses.map((each) => formatMediaAddress(each)),
      interface: secondPath.via,
    },
    notes,
  };
}

/** Tells what shows up about a source, once each. */
export function noteTeller({ notes }: SourceDescription, voice: Voice): () => void {
  let told = 0;
  return () => {
    for (const note of notes.slice(told)) tell(note, voice);
    told = notes.length;
  };
}

/** What programs are told of a sender; its receivers by their number. */
export function figures({ receivers, ...counters }: SenderProgress): Record<string, unknown> {
  return { ...counters, receivers: receivers.length };
}

/** Says what was sent, and what was refused. */
export function sayEnd(
  { complete, mediaMs, sentBytes, sentDatagrams, failedSends, retransmission }: Sent,
  voice: Voice,
): void {
  const refused = `the system refused ${plural(failedSends, 'datagram')}`;
  if (sentDatagrams === 0 && failedSends > 0) {
    voice.say(`  ! ${voice.subject}nothing left this PC: ${refused}`);
    return;
  }
  const [mark, verb] = complete ? ['✓', 'sent'] : ['!', 'stopped at'];
  const size = `${formatBytes(sentBytes)} in ${plural(sentDatagrams, 'datagram')}`;
  voice.say(`  ${mark} ${voice.subject}${verb} ${formatClock(mediaMs)} of the programme: ${size}`);
  if (failedSends > 0) voice.say(`  ! ${voice.subject}${refused}`);
  const { repaired = 0, overBudget = 0 } = retransmission ?? {};
  if (repaired > 0) {
    const share = formatShare(repaired, sentDatagrams);
    voice.say(
      `  ✓ ${voice.subject}${plural(repaired, 'datagram')} (${share}) sent again to receivers that asked`,
    );
  }
  if (overBudget > 0) {
    const asked = plural(overBudget, 'datagram');
    voice.say(`  ! ${voice.subject}${asked} asked for beyond the repair budget (--repair-budget)`);
  }
}
