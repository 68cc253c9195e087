// The only module that calls native code: a handful of libc functions by koffi, loaded on first use so that the proxy mode and
// macOS never need it. All calls are synchronous and act on the calling (main) thread. Linux only.

import { createRequire } from 'node:module';
import { getSystemErrorName } from 'node:util';

type NativeLibrary = { func(definition: string): unknown };
type Koffi = { load(path: string | null): NativeLibrary; errno(): number };

export type Libc = {
  unshare(flags: number): void;
  setns(fd: number, type: number): void;
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array): void;
  setsockopt(fd: number, level: number, option: number, value: Uint8Array): void;
  /** Fills `value` and gives false on ENOENT or ENOPROTOOPT, i.e. when the kernel has no answer. */
  getsockopt(fd: number, level: number, option: number, value: Uint8Array): boolean;
  send(fd: number, message: Uint8Array): void;
  /** Bytes read, or 0 when nothing is queued. Never blocks. */
  receive(fd: number, into: Uint8Array): number;
  /** Return the previous id; they cannot fail visibly. */
  setfsuid(uid: number): number;
  setfsgid(gid: number): number;
  /** The signal this thread gets when the thread that started it ends; 0 is none. */
  getParentDeathSignal(): number;
  setParentDeathSignal(signal: number): void;
  mount(source: string, target: string, type: string | null, flags: number): void;
  umount(target: string, flags: number): void;
  /** Root of the calling thread, which must have its own file-system context (after unshare of a mount namespace). */
  chroot(path: string): void;
  sethostname(name: string): void;
};

const MSG_DONTWAIT = 0x40;
const [PR_SET_PDEATHSIG, PR_GET_PDEATHSIG] = [1, 2] as const;
let loaded: Libc | undefined;

/** Throws when koffi has no binary for this platform. */
export function libc(): Libc {
  loaded ??= load();
  return loaded;
}

function load(): Libc {
  const koffi = createRequire(import.meta.url)('koffi') as Koffi;
  const library = koffi.load(null);
  const unshare = library.func('int unshare(int)') as (flags: number) => number;
  const setns = library.func('int setns(int, int)') as (fd: number, type: number) => number;
  const socket = library.func('int socket(int, int, int)') as (family: number, type: number, protocol: number) => number;
  const bind = library.func('int bind(int, void *, uint32_t)') as (fd: number, address: Uint8Array, size: number) => number;
  const setsockopt = library.func('int setsockopt(int, int, int, void *, uint32_t)') as (...args: SockoptArguments<number>) => number;
  const getsockopt = library.func('int getsockopt(int, int, int, void *, void *)') as (...args: SockoptArguments<Uint8Array>) => number;
  const send = library.func('intptr_t send(int, void *, size_t, int)') as (...args: TransferArguments) => number;
  const recv = library.func('intptr_t recv(int, void *, size_t, int)') as (...args: TransferArguments) => number;
  const setfsuid = library.func('int setfsuid(uint32_t)') as (uid: number) => number;
  const setfsgid = library.func('int setfsgid(uint32_t)') as (gid: number) => number;
  const prctl = library.func('int prctl(int, void *)') as (option: number, argument: unknown) => number;
  const prctlNumber = library.func('int prctl(int, unsigned long)') as (option: number, argument: number) => number;
  const mount = library.func('int mount(str, str, str, unsigned long, void *)') as (...args: MountArguments) => number;
  const umount2 = library.func('int umount2(str, int)') as (target: string, flags: number) => number;
  const chroot = library.func('int chroot(str)') as (path: string) => number;
  const sethostname = library.func('int sethostname(str, size_t)') as (name: string, size: number) => number;

  const check = (result: number, call: string): number => {
    if (result >= 0) return result;
    throw systemError(koffi.errno(), call);
  };
  return {
    unshare: (flags) => void check(unshare(flags), 'unshare'),
    setns: (fd, type) => void check(setns(fd, type), 'setns'),
    socket: (family, type, protocol) => check(socket(family, type, protocol), 'socket'),
    bind: (fd, address) => void check(bind(fd, address, address.length), 'bind'),
    setsockopt: (fd, level, option, value) => void check(setsockopt(fd, level, option, value, value.length), 'setsockopt'),
    getsockopt(fd, level, option, value) {
      const size = new Uint8Array(new Uint32Array([value.length]).buffer);
      if (getsockopt(fd, level, option, value, size) === 0) return true;
      const errno = koffi.errno();
      const name = getSystemErrorName(-errno);
      if (name === 'ENOENT' || name === 'ENOPROTOOPT') return false;
      throw systemError(errno, 'getsockopt');
    },
    send: (fd, message) => void check(send(fd, message, message.length, 0), 'send'),
    receive(fd, into) {
      const size = recv(fd, into, into.length, MSG_DONTWAIT);
      if (size >= 0) return size;
      const errno = koffi.errno();
      if (getSystemErrorName(-errno) === 'EAGAIN') return 0;
      throw systemError(errno, 'recv');
    },
    setfsuid,
    getParentDeathSignal() {
      const signal = new Int32Array(1);
      check(prctl(PR_GET_PDEATHSIG, signal), 'prctl');
      return signal[0] as number;
    },
    setParentDeathSignal: (signal) => void check(prctlNumber(PR_SET_PDEATHSIG, signal), 'prctl'),
    setfsgid,
    mount: (source, target, type, flags) => void check(mount(source, target, type, flags, null), `mount ${target}`),
    umount: (target, flags) => void check(umount2(target, flags), `umount ${target}`),
    chroot: (path) => void check(chroot(path), 'chroot'),
    sethostname: (name) => void check(sethostname(name, Buffer.byteLength(name)), 'sethostname'),
  };
}

type SockoptArguments<Size> = [fd: number, level: number, option: number, value: Uint8Array, size: Size];
type TransferArguments = [fd: number, data: Uint8Array, size: number, flags: number];
type MountArguments = [source: string, target: string, type: string | null, flags: number, data: null];

/** An Error with `code` and `syscall` as Node's own system errors have them. `errno` is positive. */
export function systemError(errno: number, syscall: string): Error {
  const code = getSystemErrorName(-errno);
  return Object.assign(new Error(`${syscall}: ${code}`), { code, errno, syscall });
}
