// A TCP health check: the connection stands, and, when asked, an answer to some bytes.

import { type Connection, type ConnectionHandler, ignoring } from '../io/connection.ts';
import type { HealthProbe } from '../runtime/model.ts';
import { connectUpstream } from '../upstream/connect.ts';
import { networkFailure, PayloadMatch, type Probe, type ProbeResult, type ProbeTarget } from './probe.ts';

export class TcpProbe implements Probe, ConnectionHandler {
  private readonly target: ProbeTarget;
  private readonly probe: Extract<HealthProbe, { kind: 'tcp' }>;
  private connection: Connection | undefined;
  private match: PayloadMatch;
  private done: ((result: ProbeResult) => void) | undefined;

  constructor(target: ProbeTarget, probe: Extract<HealthProbe, { kind: 'tcp' }>) {
    this.target = target;
    this.probe = probe;
    this.match = new PayloadMatch(probe.receive);
  }

  start(done: (result: ProbeResult) => void): void {
    this.done = done;
    this.match = new PayloadMatch(this.probe.receive);
    if (this.connection) return this.ask();
    const { cluster, host, applicationProtocols, transportCriteria } = this.target;
    const options = { ...(applicationProtocols.length > 0 && { alpnOverride: applicationProtocols }), isProbe: true, transportCriteria };
    this.connection = connectUpstream(cluster, host, options, { handler: this, onConnect: () => this.ask() });
  }

  private ask(): void {
    const { send, receive } = this.probe;
    if (send.length > 0) this.connection?.write(Buffer.from(send));
    if (receive.length > 0) return;
    // A connection that nobody answers on says nothing the next time: only a new one does.
    this.close({ passed: true, degraded: false });
  }

  onData(bytes: Buffer): void {
    if (!this.done || !this.match.add(bytes)) return;
    const result: ProbeResult = { passed: true, degraded: false };
    if (this.target.reuseConnection) this.finish(result);
    else this.close(result);
  }

  onEnd(): void {
    this.close(networkFailure('the connection was closed'));
  }

  onClose(error: string | undefined): void {
    this.connection = undefined;
    this.finish(networkFailure(error ?? 'the connection was closed'));
  }

  onDrain(): void {}

  private finish(result: ProbeResult): void {
    const { done } = this;
    this.done = undefined;
    done?.(result);
  }

  /** With a result: as the end of the question. */
  close(result?: ProbeResult): void {
    const { connection } = this;
    this.connection = undefined;
    if (connection) {
      connection.handler = ignoring;
      connection.end();
      connection.destroy();
    }
    if (result) this.finish(result);
    else this.done = undefined;
  }
}
