// The series of the latest kinds of requests, found by comparing what a record holds, without a key being put together as text.

import type { RequestRecord } from '../http/request-record.ts';
import type { HttpSeries } from './istio-families.ts';

const KINDS = 16;

type Kind = {
  readonly cluster: RequestRecord['cluster'];
  readonly upstreamCluster: string;
  readonly routeName: string;
  readonly authority: string;
  readonly endpoint: RequestRecord['endpoint'];
  readonly upstreamPeer: string | undefined;
  readonly upstreamPeerPrincipal: string;
  readonly downstreamPeer: string | undefined;
  readonly peerPrincipal: string;
  readonly isGrpc: boolean;
  readonly outcome: number;
  readonly series: HttpSeries;
};

export class RecentSeries {
  private readonly kinds: Kind[] = [];
  private next = 0;

  /** The series of a record that is in every respect like an earlier one. */
  find(record: RequestRecord, isGrpc: boolean, outcome: number): HttpSeries | undefined {
    for (const kind of this.kinds) {
      if (
        kind.outcome === outcome &&
        kind.endpoint === record.endpoint &&
        kind.cluster === record.cluster &&
        kind.isGrpc === isGrpc &&
        kind.authority === record.authority &&
        kind.routeName === record.routeName &&
        kind.upstreamCluster === record.upstreamCluster &&
        kind.downstreamPeer === record.downstreamPeer?.id &&
        kind.upstreamPeer === record.upstreamPeer?.id &&
        kind.peerPrincipal === record.connection.peerPrincipal &&
        kind.upstreamPeerPrincipal === record.upstreamPeerPrincipal
      ) {
        return kind.series;
      }
    }
    return undefined;
  }

  /** The oldest makes room. */
  remember(record: RequestRecord, { isGrpc, outcome, series }: Pick<Kind, 'isGrpc' | 'outcome' | 'series'>): void {
    this.kinds[this.next] = {
      cluster: record.cluster,
      upstreamCluster: record.upstreamCluster,
      routeName: record.routeName,
      authority: record.authority,
      endpoint: record.endpoint,
      upstreamPeer: record.upstreamPeer?.id,
      upstreamPeerPrincipal: record.upstreamPeerPrincipal,
      downstreamPeer: record.downstreamPeer?.id,
      peerPrincipal: record.connection.peerPrincipal,
      isGrpc,
      outcome,
      series,
    };
    this.next = (this.next + 1) % KINDS;
  }

  clear(): void {
    this.kinds.length = 0;
    this.next = 0;
  }
}
