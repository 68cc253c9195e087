// Starting touches some 40 MB of Node's binary that serving never comes back to. Such pages are clean copies of a file: unmapped,
// they stay in the kernel's page cache, and the next use maps them again without reading the disk.

import { readFileSync } from 'node:fs';

export type AddressRange = { start: bigint; sizeBytes: bigint };

/**
 * The mappings of the program file that hold nothing but what the file holds, from /proc/PID/smaps. A mapping that can be written, or that
 * was written before it was protected (relocations), has pages of its own and is left out.
 */
export function programRanges(smaps: string, program: string): AddressRange[] {
  const ranges: AddressRange[] = [];
  let range: AddressRange | undefined;
  for (const line of smaps.split('\n')) {
    const mapping = /^([0-9a-f]{1,16})-([0-9a-f]{1,16}) (\S{4}) \S+ \S+ \d+ +(.*)$/.exec(line);
    if (mapping) {
      const [, start = '', end = '', mode = '', path] = mapping;
      const first = BigInt(`0x${start}`);
      range =
        path === program && mode.startsWith('r-') && mode.endsWith('p')
          ? { start: first, sizeBytes: BigInt(`0x${end}`) - first }
          : undefined;
    } else if (range && /^Anonymous: +0 kB$/.test(line)) ranges.push(range);
  }
  return ranges;
}

const MADV_DONTNEED = 4;

/** Unmaps the program's clean pages; does nothing where the system is not Linux with glibc. */
export function releaseProgramPages(): void {
  try {
    const ranges = programRanges(readFileSync('/proc/self/smaps', 'utf8'), process.execPath);
    const { lib, functions } = process
      .getBuiltinModule('node:ffi')
      .dlopen('libc.so.6', { madvise: { arguments: ['u64', 'u64', 'i32'], return: 'i32' } });
    for (const { start, sizeBytes } of ranges) functions.madvise(start, sizeBytes, MADV_DONTNEED);
    lib.close();
  } catch {
    // Another system or C library: the pages stay until the kernel wants them.
  }
}
