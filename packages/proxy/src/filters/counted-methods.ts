/** Clients name methods, and each gets statistics of its own: those of one filter end here. */
const MAX_METHODS = 1000;

/** The gRPC methods that a filter counts by name: the first thousand that come. */
export class CountedMethods {
  private readonly paths = new Set<string>();

  admit(path: string): boolean {
    if (this.paths.has(path)) return true;
    if (this.paths.size >= MAX_METHODS) return false;
    this.paths.add(path);
    return true;
  }
}
