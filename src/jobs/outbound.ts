import { lookup as resolve } from 'node:dns';
import http from 'node:http';
import https from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** What may be asked for elsewhere, and how long and how large it may be. */
export interface OutboundOptions {
  /** Origins (`http://127.0.0.1:8080`) that the operator configured by name: they may be private, and plain HTTP on this machine. */
  readonly trusted?: readonly string[];
  /** Development: plain HTTP to this machine is allowed. */
  readonly loopback?: boolean;
  readonly timeoutMs?: number;
  readonly limitBytes?: number;
}

export interface OutboundRequest {
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface OutboundAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** The only way in which the service calls out. @throws Error with a `code` of `OutboundFault`, which names no address. */
export type Outbound = (url: URL, request?: OutboundRequest) => Promise<OutboundAnswer>;

/** Why nothing came back. */
export type OutboundFault = 'OUTBOUND_SCHEME' | 'OUTBOUND_ADDRESS' | 'OUTBOUND_REDIRECT' | 'OUTBOUND_TOO_LARGE' | 'OUTBOUND_TIMEOUT' | 'OUTBOUND_UNREACHABLE';

const fault = (code: OutboundFault): Error => Object.assign(new Error(code), { code });

/** Addresses that are not of the public internet (IANA special-purpose registries, RFC 6890). */
const special = new BlockList();
for (const [net, prefix] of [['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12], ['192.0.0.0', 24], ['192.0.2.0', 24], ['192.31.196.0', 24], ['192.52.193.0', 24], ['192.88.99.0', 24], ['192.168.0.0', 16], ['192.175.48.0', 24], ['198.18.0.0', 15], ['198.51.100.0', 24], ['203.0.113.0', 24], ['224.0.0.0', 3]] as const) special.addSubnet(net, prefix, 'ipv4');
for (const [net, prefix] of [['::', 96], ['64:ff9b::', 96], ['64:ff9b:1::', 48], ['100::', 64], ['2001::', 23], ['2001:db8::', 32], ['2002::', 16], ['3fff::', 20], ['5f00::', 16], ['fc00::', 7], ['fe80::', 10], ['fec0::', 10], ['ff00::', 8]] as const) special.addSubnet(net, prefix, 'ipv6');

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** @returns whether an address is one of the public internet; an IPv4 address inside an IPv6 one counts as what it is. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && !special.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

const isLoopback = (address: string): boolean => loopback.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');

/**
 * Makes the function through which everything that calls out goes. HTTPS only; the address is checked after the name was
 * resolved and it is the checked address that is connected to; a redirect is an error, because it could lead inside.
 */
export function outbound(options: OutboundOptions = {}): Outbound {
  const { timeoutMs = 5000, limitBytes = 256 * 1024 } = options;
  return (url, request = {}) => new Promise((settle, reject) => {
    const trusted = options.trusted?.includes(url.origin) === true;
    const bare = url.hostname.replace(/^\[|\]$/g, '');
    const local = options.loopback === true || trusted;
    const permitted = (address: string): boolean => isPublicAddress(address) || trusted || (local && isLoopback(address));
    const nearby = isIP(bare) === 0 ? bare === 'localhost' : isLoopback(bare);
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && local && nearby)) return reject(fault('OUTBOUND_SCHEME'));
    if (url.username !== '' || (isIP(bare) !== 0 && !permitted(bare))) return reject(fault('OUTBOUND_ADDRESS'));
    let refused: OutboundFault | undefined;
    const look: LookupFunction = (name, asked, done) => {
      resolve(name, { ...asked, all: true }, (error, addresses) => {
        if (error !== null) return done(error, []);
        if (addresses.length === 0 || !addresses.every(({ address }) => permitted(address))) {
          refused = 'OUTBOUND_ADDRESS';
          return done(fault('OUTBOUND_ADDRESS'), []);
        }
        return asked.all === true ? done(null, addresses) : done(null, addresses[0]!.address, addresses[0]!.family);
      });
    };
    const { method = 'GET', headers = {}, body } = request;
    const asking = (url.protocol === 'https:' ? https : http).request(url, { method, lookup: look, agent: false, headers: { accept: 'application/json', ...headers, ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }) } });
    const end = (code: OutboundFault): void => {
      refused ??= code;
      asking.destroy(fault(refused));
    };
    const timer = setTimeout(() => { end('OUTBOUND_TIMEOUT'); }, timeoutMs);
    asking.on('error', () => {
      clearTimeout(timer);
      reject(fault(refused ?? 'OUTBOUND_UNREACHABLE'));
    });
    asking.on('response', (response) => {
      const status = response.statusCode ?? 0;
      if (status >= 300 && status < 400) return end('OUTBOUND_REDIRECT');
      const parts: Buffer[] = [];
      let size = 0;
      response.on('data', (part: Buffer) => {
        size += part.length;
        if (size > limitBytes) end('OUTBOUND_TOO_LARGE');
        else parts.push(part);
      });
      response.on('error', () => { end('OUTBOUND_UNREACHABLE'); });
      response.on('end', () => {
        clearTimeout(timer);
        settle({ status, headers: response.headers, body: Buffer.concat(parts).toString('utf8') });
      });
      return undefined;
    });
    asking.end(body);
    return undefined;
  });
}
