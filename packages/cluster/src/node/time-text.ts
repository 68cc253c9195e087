/** metav1.Time: RFC 3339 with whole seconds. */
export const rfc3339 = (timeMs: number): string => `${new Date(timeMs).toISOString().slice(0, 19)}Z`;

/** metav1.MicroTime: RFC 3339 with microseconds. */
export const rfc3339Micro = (timeMs: number): string => new Date(timeMs).toISOString().replace('Z', '000Z');
