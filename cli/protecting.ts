/** How what is sent is protected from loss: the options, what they mean to a sender, and the words about it. */
import { BlockList } from 'node:net';
import type { SenderOptions, SendingPath } from '../sender/index.ts';
import type { ChosenInterface } from '../transport/udp.ts';
import type { MediaAddress } from '../wire/address.ts';
import { formatFecSetting, type FecSetting } from '../wire/fec/fec-setting.ts';
import { defaulted, repeated, single } from './command.ts';
import { fec, network, path2, share, type NetworkValue, type PathValue } from './values.ts';

/** Options of `send`. */
export const protectionOptions = {
  fec: single(
    'SETTING',
    fec,
    'add repair packets (rtp:// only): 2022:10x5 is SMPTE 2022-1 with 10 columns and 5 rows, with +rows for rows too; rs:20,5 is Reed-Solomon, any 5 of 25 may be lost; auto follows what receivers report',
  ),
  repairBudget: defaulted(
    single(
      'SHARE',
      share,
      'how much of the stream may be sent again to receivers that ask for it (rtp:// only); 0 is nothing',
    ),
    '35%',
  ),
  trustFeedback: repeated(
    'NETWORK',
    network,
    'answer receivers there without proof of their address, such as 192.168.1.0/24: for those that are not lancast',
  ),
  path2: single(
    'PATH',
    path2,
    'send the same datagrams on a second path too (SMPTE 2022-7): to another address, by another card, or both as ADDRESS@CARD',
  ),
};

/** What people want. All that is absent is off, or as it is by default. */
export interface ProtectionWishes {
  fec?: FecSetting | 'auto' | undefined;
  /** 0 to 1. */
  repairBudget?: number;
  trustFeedback?: readonly NetworkValue[];
  path2?: SecondPathWish | undefined;
  /** Most memory for what may be asked for again, bytes. */
  historyBytes?: number;
}

/** A second path; what is absent is as on the first. */
export interface SecondPathWish {
  address: MediaAddress | undefined;
  /** By name or address, or one that is chosen already. */
  iface: PathValue['iface'] | ChosenInterface;
}

/** The options of a sender that protect its stream. */
export function protectionOf({
  fec,
  repairBudget,
  trustFeedback = [],
  historyBytes,
}: ProtectionWishes): Pick<SenderOptions, 'fec' | 'repairBudget' | 'trustFeedback' | 'historyBytes'> {
  const trusted = new BlockList();
  for (const { address, prefix, family } of trustFeedback) trusted.addSubnet(address, prefix, family);
  return { fec, repairBudget, historyBytes, ...(trustFeedback.length > 0 && { trustFeedback: trusted }) };
}

/** The second path beside a first one. Throws `LancastError` E102, E103. */
export async function secondPathOf(
  { address, iface }: SecondPathWish,
  first: { addresses: readonly MediaAddress[]; iface: string | ChosenInterface | undefined },
): Promise<SendingPath> {
  const framing = first.addresses[0]?.framing;
  const addresses = address ? [{ ...address, framing: address.framing ?? framing }] : first.addresses;
  const card = iface ?? first.iface;
  if (typeof card === 'object') return { addresses, via: card };
  const { chooseInterface } = await import('../transport/interfaces.ts');
  return { addresses, via: pathCard(await chooseInterface(addresses[0]?.address ?? '', card), iface) };
}

/** The card of a second path, with the option it was asked for by. */
export function pathCard<Card extends ChosenInterface>(via: Card, asked: SecondPathWish['iface']): Card {
  return asked === undefined ? via : { ...via, reason: 'asked for by --path2' };
}

/** `FEC 10×5`, `FEC 20+5`, `FEC auto`; empty without FEC. */
export function fecWords(setting: FecSetting | 'auto' | undefined): string {
  if (setting === undefined) return '';
  if (setting === 'auto') return 'FEC auto';
  if (setting.kind === 'rs') {
    const { dataShards, parityShards, interleave } = setting.shape;
    return `FEC ${dataShards}+${parityShards}${interleave > 1 ? ` interleaved by ${interleave}` : ''}`;
  }
  const { columns, rows, rowPackets } = setting.matrix;
  return `FEC ${columns}×${rows}${rowPackets ? ' with rows' : ''}`;
}

/** As `--fec` is written, for programs; `undefined` without FEC. */
export function fecText(setting: FecSetting | 'auto' | undefined): string | undefined {
  return typeof setting === 'object' ? formatFecSetting(setting) : setting;
}
