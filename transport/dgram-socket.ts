/** What all sockets on `node:dgram` have in common: promises for bind and connect, the options of sending. */
import { createSocket, type Socket, type SocketOptions } from 'node:dgram';
import type { Endpoint } from '../wire/address.ts';
import { withZone } from './interfaces.ts';
import type { ChosenInterface } from './udp.ts';

/** A new socket, bound. An empty address stands for any. Rejects with the system's error. */
export async function boundSocket(options: SocketOptions, { address, port }: Endpoint): Promise<Socket> {
  const socket = createSocket(options);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ port, exclusive: true, ...(address === '' ? {} : { address }) }, () => {
        socket.off('error', reject);
        resolve();
      });
    });
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** Connects a bound socket. Nothing is sent. Rejects with the system's error. */
export function connectSocket(socket: Socket, { address, port }: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.connect(port, address, (error?: Error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

/** Closes a socket. */
export function closeSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.close(() => resolve());
  });
}

/** The address and port a socket is bound to. */
export function localEndpoint(socket: Socket): Endpoint {
  const { address, port } = socket.address();
  return { address, port };
}

/** What a sending socket is set up with. */
export interface SendingOptions {
  via: ChosenInterface;
  ttl: number;
  broadcast?: boolean;
}

/** Sets hops, the card for groups, and leave to broadcast, on a bound socket. */
export function prepareToSend(socket: Socket, { via, ttl, broadcast }: SendingOptions): void {
  socket.setMulticastInterface(via.family === 6 ? withZone('::', via) : via.address);
  socket.setMulticastTTL(ttl);
  socket.setTTL(ttl);
  if (broadcast) socket.setBroadcast(true);
}
