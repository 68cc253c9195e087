import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { repairIndentation } from './indentation.ts';

test('a flattened Gateway gets its structure back', () => {
  const flat = [
    'apiVersion: networking.istio.io/v1beta1',
    'kind: Gateway',
    'metadata:',
    'name: book-gateway',
    'namespace: istio-system',
    'spec:',
    'selector:',
    'istio: ingressgateway',
    'servers:',
    '- hosts:',
    "- '*'",
    'port:',
    'name: https',
    'number: 443',
    'protocol: HTTPS',
    'tls:',
    'credentialName: bookinfo-tls',
    'mode: SIMPLE',
  ].join('\n');
  assert.deepEqual(parse(repairIndentation(flat) ?? ''), {
    apiVersion: 'networking.istio.io/v1beta1',
    kind: 'Gateway',
    metadata: { name: 'book-gateway', namespace: 'istio-system' },
    spec: {
      selector: { istio: 'ingressgateway' },
      servers: [
        { hosts: ['*'], port: { name: 'https', number: 443, protocol: 'HTTPS' }, tls: { credentialName: 'bookinfo-tls', mode: 'SIMPLE' } },
      ],
    },
  });
});

test('several matches of one rule stay in one list', () => {
  const flat =
    'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\nname: a\nspec:\nhosts:\n- "*"\nhttp:\n- match:\n- uri:\nexact: /productpage\n- uri:\nprefix: /static\nroute:\n- destination:\nhost: productpage\nport:\nnumber: 9080';
  const repaired = parse(repairIndentation(flat) ?? '') as { spec: { http: unknown[] } };
  assert.deepEqual(repaired.spec.http, [
    {
      match: [{ uri: { exact: '/productpage' } }, { uri: { prefix: '/static' } }],
      route: [{ destination: { host: 'productpage', port: { number: 9080 } } }],
    },
  ]);
});

test('what has no place is left alone', () => {
  assert.equal(repairIndentation('apiVersion: v1\nkind: Service\nmetadata:\nname: a'), undefined);
  assert.equal(repairIndentation('apiVersion: networking.istio.io/v1\nkind: Gateway\nnonsense: 1'), undefined);
});
