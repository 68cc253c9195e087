// `sink PORT` reads and drops; `load PORT CONNECTIONS SECONDS` writes 64 KiB at a time and prints how many bytes the kernel took.

import { connect, createServer } from 'node:net';

const CHUNK = Buffer.alloc(65_536, 'x');
const [role, port, connections = '1', seconds = '1'] = process.argv.slice(2);
if (role === 'sink') {
  createServer((socket) => {
    socket.on('error', () => {});
    socket.resume();
  }).listen(Number(port), '127.0.0.1');
} else {
  let bytes = 0;
  for (let i = 0; i < Number(connections); i++) {
    const socket = connect({ host: '127.0.0.1', port: Number(port) });
    socket.on('error', (error) => {
      process.stderr.write(`${error.message}\n`);
      process.exit(1);
    });
    const write = () =>
      socket.write(CHUNK, () => {
        bytes += CHUNK.length;
        write();
      });
    socket.once('connect', write);
  }
  setTimeout(() => {
    process.stdout.write(`${bytes}\n`);
    process.exit(0);
  }, Number(seconds) * 1000);
}
