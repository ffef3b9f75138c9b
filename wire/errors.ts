/**
 * What a person has to fix, with a stable code.
 *
 * The words people read, the remedy and the exit status belong to one table in `cli/`; here are only the code,
 * the facts that the words need, and the cause.
 */

/** What went wrong, for programs. Codes are public API and never change; messages may. */
export type ErrorCode =
  | 'E001' // wrong use of the command line: unknown option, bad value, missing argument
  | 'E101' // no data arrived
  | 'E102' // not an interface or address of this machine
  | 'E103' // no route for the destination
  | 'E104' // a unicast address where multicast is meant
  | 'E105' // a reserved group
  | 'E106' // TTL 0
  | 'E107' // more groups than one socket may join
  | 'E109' // the local firewall refused to send
  | 'E110' // packets reach the card but not the socket
  | 'E111' // UDP port in use
  | 'E112' // HTTP port in use
  | 'E113' // datagram larger than the path takes
  | 'E114' // receive buffer smaller than asked for
  | 'E115' // broadcast not allowed
  | 'E116' // a second sender on the same group
  | 'E117' // the sender's clock differs from ours
  | 'E118' // the receiver refused a copy
  | 'E119' // a copy did not arrive whole
  | 'E120' // repair takes longer than what is missing is waited for
  | 'E201' // input missing
  | 'E202' // input is not media
  | 'E203' // codec that MPEG-TS cannot carry
  | 'E204' // ffmpeg missing
  | 'E205' // ffmpeg stopped on its own
  | 'E206' // truncated file
  | 'E207' // input empty
  | 'E208' // input may not be read
  | 'E401' // disk full
  | 'E402' // no permission to write, or read-only
  | 'E403' // disk too slow
  | 'E404' // writing failed (EIO)
  | 'E502' // refused to open the viewer to the network
  | 'E503'; // a foreign web page was refused

/** Facts for the message: the values that made it fail. */
export type ErrorDetails = Readonly<Record<string, string | number | readonly string[]>>;

/**
 * The only error class this project throws.
 *
 * Thrown for what a person has to fix. Bad packets are not errors: parsers return a fault for those.
 */
export class LancastError extends Error {
  override readonly name = 'LancastError';
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  /**
   * @param message one sentence for logs and programs: what failed, with the value that made it fail
   * @param details the facts by name, for the table in `cli/` that words the error for people
   */
  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}
