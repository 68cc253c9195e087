// The end of a certificate's validity, read from its DER. Only what `analyze` needs, portable to the browser; the data plane and
// the CA use @lateen/pki.

const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]{1,40})-----([A-Za-z0-9+/=\s]*)-----END \1-----/;
const MAX_PEM_CHARS = 256 * 1024;

/** Whether the text has a PEM block whose label ends with `label`. */
export function isPem(text: string, label: string): boolean {
  const block = text.length <= MAX_PEM_CHARS ? PEM_BLOCK.exec(text) : null;
  return block?.[1]?.endsWith(label) ?? false;
}

/** notAfter of the first certificate, in milliseconds since 1970; undefined when it cannot be read. */
export function certificateExpiry(pem: string): number | undefined {
  const body = pem.length <= MAX_PEM_CHARS ? PEM_BLOCK.exec(pem)?.[2] : undefined;
  if (!body) return undefined;
  let der: Uint8Array;
  try {
    der = Uint8Array.from(atob(body.replace(/\s/g, '')), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
  // Certificate > TBSCertificate > [version] serial signature issuer validity
  const certificate = elementAt(der, 0);
  const tbs = certificate && elementAt(der, certificate.start);
  if (!tbs) return undefined;
  let next = elementAt(der, tbs.start);
  if (next?.tag === 0xa0) next = elementAt(der, next.end);
  for (let i = 0; i < 3 && next; i++) next = elementAt(der, next.end);
  const notBefore = next && elementAt(der, next.start);
  const notAfter = notBefore && elementAt(der, notBefore.end);
  return (
    notAfter && parseTime(notAfter.tag, String.fromCharCode(...der.subarray(notAfter.start, Math.min(notAfter.end, notAfter.start + 20))))
  );
}

type Element = { tag: number; start: number; end: number };

function elementAt(der: Uint8Array, offset: number): Element | undefined {
  const tag = der[offset];
  const first = der[offset + 1];
  if (tag === undefined || first === undefined) return undefined;
  if (first < 0x80) return within(der, { tag, start: offset + 2, end: offset + 2 + first });
  const count = first & 0x7f;
  if (count === 0 || count > 4) return undefined;
  let length = 0;
  for (let i = 0; i < count; i++) length = length * 256 + (der[offset + 2 + i] ?? 0);
  return within(der, { tag, start: offset + 2 + count, end: offset + 2 + count + length });
}

const within = (der: Uint8Array, element: Element): Element | undefined => (element.end <= der.length ? element : undefined);

// UTCTime (YYMMDDhhmmssZ, 50 and above are 19xx) and GeneralizedTime (YYYYMMDDhhmmssZ).
function parseTime(tag: number, text: string): number | undefined {
  const long = tag === 0x17 ? `${Number(text.slice(0, 2)) >= 50 ? '19' : '20'}${text}` : text;
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z/.exec(long);
  if (!parts) return undefined;
  const [year, month, day, hour, minute, second] = parts.slice(1).map(Number) as [number, number, number, number, number, number];
  return Date.UTC(year, month - 1, day, hour, minute, second);
}
