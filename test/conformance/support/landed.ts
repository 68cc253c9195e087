/** Why tests of HTTP/2 are only todo, until the codec is there. */
export const NO_HTTP2: string | undefined = undefined;
