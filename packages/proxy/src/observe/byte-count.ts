// Bytes of connections, counted where they pass and added up when somebody asks: open connections count, too.

/** What counts its own bytes. */
export type Metered = { readonly bytesRead: number; readonly bytesWritten: number };

export class ByteCount {
  private readonly open = new Set<Metered>();
  private endedRead = 0;
  private endedWritten = 0;

  add(connection: Metered): void {
    this.open.add(connection);
  }

  get connections(): ReadonlySet<Metered> {
    return this.open;
  }

  /** The connection is over; its bytes stay. False when it was none of these. */
  end(connection: Metered): boolean {
    if (!this.open.delete(connection)) return false;
    this.endedRead += connection.bytesRead;
    this.endedWritten += connection.bytesWritten;
    return true;
  }

  /** Under Envoy's names. */
  named<P extends string>(prefix: P): Record<`${P}_rx_bytes_total` | `${P}_tx_bytes_total`, number> {
    let [read, written] = [this.endedRead, this.endedWritten];
    for (const connection of this.open) {
      read += connection.bytesRead;
      written += connection.bytesWritten;
    }
    return { [`${prefix}_rx_bytes_total`]: read, [`${prefix}_tx_bytes_total`]: written } as ReturnType<typeof this.named<P>>;
  }

  /** Counts from nought again. */
  reset(): void {
    this.endedRead = 0;
    this.endedWritten = 0;
    for (const connection of this.open) {
      this.endedRead -= connection.bytesRead;
      this.endedWritten -= connection.bytesWritten;
    }
  }
}
