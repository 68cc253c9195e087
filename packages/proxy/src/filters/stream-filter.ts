// The answer's way out with something in between: passes everything on; a filter overrides what it cares about.

import type { Head } from '../http/head.ts';
import type { ServerStream } from '../http/stream.ts';
import type { Connection } from '../io/connection.ts';

export class StreamFilter implements ServerStream {
  protected readonly next: ServerStream;

  constructor(next: ServerStream) {
    this.next = next;
  }

  sendHead(head: Head, first: Buffer | undefined, end: boolean): void {
    this.next.sendHead(head, first, end);
  }
  sendInformational(status: number, head: Head | undefined): void {
    this.next.sendInformational(status, head);
  }
  sendData(bytes: Buffer, source: Connection | undefined): boolean {
    return this.next.sendData(bytes, source);
  }
  sendEnd(trailers: Head | undefined): void {
    this.next.sendEnd(trailers);
  }
  startTunnel(): void {
    this.next.startTunnel();
  }
  reset(): void {
    this.next.reset();
  }
  closeAfterResponse(): void {
    this.next.closeAfterResponse();
  }
  pauseRequest(): void {
    this.next.pauseRequest();
  }
  resumeRequest(): void {
    this.next.resumeRequest();
  }
}
