// Which Referer goes on (RFC 9110 10.1.3): a URL or a reference without fragment and user information, as Envoy's parser takes them.

const ABSOLUTE = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5}))?(?:[/?][!"$-~]*#?)?$/;
const RELATIVE = /^[A-Za-z0-9!$%&'()*+,./:;=?@_~-]*$/;
/** The first segment of a path holds no colon, else it would be a scheme. */
const COLON_FIRST = /^[^/]*:/;

export function isReferer(text: string): boolean {
  const absolute = ABSOLUTE.exec(text);
  if (absolute) return Number(absolute[1] ?? 0) <= 65_535;
  return RELATIVE.test(text) && !COLON_FIRST.test(text);
}
