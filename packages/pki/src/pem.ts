import { X509Certificate } from 'node:crypto';
import { fail, messageOf, ok, type Result } from '@lateen/base';

const MAX_PEM_LENGTH = 1024 * 1024;
const MAX_CERTIFICATES = 500;

/** PEM with 64 characters a line. */
export function formatPem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** The DER of each block with this label, in order. Text around the blocks is ignored. */
export function parsePem(label: string, text: string): Result<Buffer[]> {
  if (text.length > MAX_PEM_LENGTH) return fail(`the PEM text is larger than ${MAX_PEM_LENGTH} bytes`);
  const begin = `-----BEGIN ${label}-----`;
  const end = `-----END ${label}-----`;
  const blocks: Buffer[] = [];
  for (let at = text.indexOf(begin); at >= 0; at = text.indexOf(begin, at)) {
    const stop = text.indexOf(end, at);
    if (stop < 0) return fail(`a ${label} block is not closed`);
    const body = text.slice(at + begin.length, stop);
    if (/[^A-Za-z0-9+/=\s]/.test(body)) return fail(`a ${label} block is not base64`);
    blocks.push(Buffer.from(body, 'base64'));
    at = stop + end.length;
  }
  return blocks.length > 0 ? ok(blocks) : fail(`there is no ${label} block`);
}

/** All certificates of a bundle or chain, in order; at least one, at most 500. */
export function parseCertificates(pem: string): Result<X509Certificate[]> {
  const blocks = parsePem('CERTIFICATE', pem);
  if (!blocks.ok) return blocks;
  if (blocks.value.length > MAX_CERTIFICATES) return fail(`more than ${MAX_CERTIFICATES} certificates`);
  const certificates: X509Certificate[] = [];
  for (const [i, der] of blocks.value.entries()) {
    try {
      certificates.push(new X509Certificate(der));
    } catch (error) {
      return fail(`certificate ${i + 1} cannot be read: ${messageOf(error)}`);
    }
  }
  return ok(certificates);
}
