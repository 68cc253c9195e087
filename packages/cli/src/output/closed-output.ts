// When nobody reads our output any more (`lateen get pods | head -1`).

const STREAMS = [process.stdout, process.stderr] as const;

let onClosed = (): void => process.exit();

/** For every command line, before it writes anything: it ends as its reader does, quietly. */
export function endWithReader(): void {
  for (const stream of STREAMS) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      onClosed();
    });
  }
}

/** From here on this process serves others: it goes on, and what it says is lost. */
export function outliveReader(): void {
  onClosed = () => {};
}
