// Memory that C++ has freed stays with glibc's allocator, some 10 MB after a start, until malloc_trim gives it back. Asking for
// it by the environment instead (MALLOC_MMAP_THRESHOLD_) makes every large buffer a system call: a third fewer 64 KiB bodies.

/** Does nothing where the C library is another. Node warns that `node:ffi` is experimental, at its first use, unless told not to. */
export function trimMalloc(): void {
  try {
    const { lib, functions } = process
      .getBuiltinModule('node:ffi')
      .dlopen('libc.so.6', { malloc_trim: { arguments: ['u64'], return: 'i32' } });
    functions.malloc_trim(0n);
    lib.close();
  } catch {
    // musl, or another system: its allocator keeps less.
  }
}
