// Shares of requests that chance selects. A runtime key may say another share than the configuration does.

/** Values that operators may change while the proxy runs (Envoy's layered_runtime). */
export type RuntimeKeys = {
  /** From 0 to 1. */
  share(key: string): number | undefined;
  integer(key: string): number | undefined;
  flag(key: string): boolean | undefined;
};

export type Share = {
  readonly fraction: number;
  /** Empty: only the configuration counts. */
  readonly runtimeKey: string;
};

type View = { readonly runtimeKeys?: RuntimeKeys | undefined };

export const fractionOfShare = ({ fraction, runtimeKey }: Share, { runtimeKeys }: View): number =>
  runtimeKey === '' ? fraction : (runtimeKeys?.share(runtimeKey) ?? fraction);

/** Whether chance selects a request. */
export function selects(share: Share, view: View, random: () => number): boolean {
  const fraction = fractionOfShare(share, view);
  return fraction >= 1 || (fraction > 0 && random() < fraction);
}
