// The string formats that the API server checks; unknown formats accept everything.

import { isIP } from 'node:net';
import { parseDuration } from '@lateen/base';

const DATE_TIME = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

/** Whether the text has the OpenAPI format. */
export function hasFormat(text: string, format: string): boolean {
  switch (format) {
    case 'date-time':
      return DATE_TIME.test(text);
    case 'date':
      return /^\d{4}-\d{2}-\d{2}$/.test(text);
    case 'duration':
      return parseDuration(text).ok;
    case 'ipv4':
      return isIP(text) === 4;
    case 'ipv6':
      return isIP(text) === 6;
    case 'uri':
      return URL.canParse(text);
    case 'uuid':
      return /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i.test(text);
    case 'byte':
      return /^[A-Za-z0-9+/]*={0,2}$/.test(text);
    default:
      return true;
  }
}
