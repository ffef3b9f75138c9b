/** Addresses of commands that also know `copy://`. */
import { formatEndpoint, parseCopyAddress, type CopyAddress, type MediaAddress } from '../wire/address.ts';
import { LancastError } from '../wire/errors.ts';
import { address, ADDRESS_FAULTS, type ValueType } from './values.ts';

/** A stream's address, or where a file goes as a whole. */
export type Destination = MediaAddress | CopyAddress;

/** Values in which addresses may be of either kind. */
export type WithCopies<Values, Key extends keyof Values> = Omit<Values, Key> & Record<Key, Destination[]>;

/** Streams as elsewhere, and `copy://`. */
export const destination: ValueType<Destination> = {
  expected: `${address.expected} or copy://10.0.0.5:5004`,
  parse(typed) {
    const copy = parseCopyAddress(typed);
    if (typeof copy === 'string') throw new LancastError('E001', `${typed}: ${ADDRESS_FAULTS[copy]}`);
    return copy ?? address.parse(typed);
  },
};

/** Is there no `copy://` among them? */
export function areStreams(addresses: readonly Destination[]): addresses is MediaAddress[] {
  return !addresses.some(isCopy);
}

/** The only address, when it is `copy://`. Throws E001 when there are others: it is one file, one sender and one receiver. */
export function onlyCopy(addresses: readonly Destination[], command: string): CopyAddress {
  const [first, ...others] = addresses;
  if (first && isCopy(first) && others.length === 0) return first;
  throw new LancastError('E001', 'copy:// goes with no other address', {
    reason: 'it is for one receiver',
    command,
  });
}

/** `copy://10.0.0.5:5004`. */
export function formatCopyAddress(copy: CopyAddress): string {
  return `copy://${formatEndpoint(copy)}`;
}

function isCopy(each: Destination): each is CopyAddress {
  return 'scheme' in each;
}
