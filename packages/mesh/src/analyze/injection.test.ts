import { core, namespace, pod, type Row, testRows } from './testing/rows.ts';

const ROWS: Row[] = [
  [
    'injection labels',
    'IST0102 IST0103 IST0123',
    [
      namespace('on', '{istio-injection: enabled}'),
      namespace('off', '{istio-injection: disabled}'),
      namespace('silent'),
      namespace('both', '{istio-injection: enabled, istio.io/rev: x}'),
      namespace('kube-system'),
      pod('on/bare', '{}'),
      pod('on/asked', '{sidecar.istio.io/inject: "false"}'),
      pod('on/has', '{}', '{containers: [{name: a}], initContainers: [{name: istio-proxy, restartPolicy: Always}]}'),
    ],
    ['IST0102 Namespace silent metadata.labels', 'IST0103 Pod on/bare ', 'IST0123 Namespace both metadata.labels'],
  ],
  [
    'image auto where nothing is injected',
    'IST0146 IST0147',
    [
      pod('p', '{}', '{containers: [{name: istio-proxy, image: auto}]}'),
      pod('q', '{sidecar.istio.io/inject: "true"}', '{containers: [{name: istio-proxy, image: auto}]}'),
    ],
    ['IST0147 Pod default/p '],
  ],
  [
    'annotations',
    'IST0107 IST0108 IST0125 IST0135',
    [
      core(
        'Service',
        's',
        ', annotations: {networking.istio.io/exportThree: a, networking.istio.io/exportTo: ".", example.com/x: y}}, spec: {}}',
      ),
      core(
        'Pod',
        'p',
        ', annotations: {readiness.status.sidecar.istio.io/initialDelaySeconds: soon, kubernetes.io/ingress.class: istio}}, spec: {}}',
      ),
      '{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, annotations: {sidecar.istio.io/statsInclusionPrefixes: a}}, spec: {}}',
    ],
    [
      'IST0107 Deployment default/d metadata.annotations[sidecar.istio.io/statsInclusionPrefixes]',
      'IST0107 Pod default/p metadata.annotations[kubernetes.io/ingress.class]',
      'IST0108 Service default/s metadata.annotations[networking.istio.io/exportThree]',
      'IST0125 Pod default/p metadata.annotations[readiness.status.sidecar.istio.io/initialDelaySeconds]',
      'IST0135 Deployment default/d metadata.annotations[sidecar.istio.io/statsInclusionPrefixes]',
    ],
  ],
];

testRows(ROWS);
