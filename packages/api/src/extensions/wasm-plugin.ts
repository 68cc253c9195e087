// WasmPlugin: a WebAssembly module in the filter chain.

import type { Resource } from '../kube-object.ts';
import { choice, int32, list, message, type Static, struct, text, uint32 } from '../schema/build.ts';
import { ONE_SELECTOR, PORT_RULE, targeting } from '../schema/shared.ts';

export const wasmPluginSpec = message(
  'A module and where it runs.',
  {
    ...targeting,
    url: text('Where the module is: oci://, https://, http:// or file://; without scheme an OCI image.', {
      minLength: 1,
      cel: [
        {
          rule: 'isURL(self) ? (url(self).getScheme() in ["", "http", "https", "oci", "file"]) : (isURL("http://" + self) && url("http://" + self).getScheme() in ["", "http", "https", "oci", "file"])',
          message: 'url must have schema one of [http, https, oci, file]',
        },
      ],
    }),
    sha256: text('Checksum of the module.', { pattern: '(^$|^[a-f0-9]{64}$)' }),
    imagePullPolicy: choice('When an OCI image is fetched.', ['UNSPECIFIED_POLICY', 'IfNotPresent', 'Always']),
    imagePullSecret: text('Secret for the registry.', { minLength: 1, maxLength: 253 }),
    verificationKey: text('Not used.'),
    pluginConfig: struct('Configuration passed to the module.'),
    pluginName: text('Name of the plugin in the module.', { minLength: 1, maxLength: 256 }),
    phase: choice('Place in the filter chain.', ['UNSPECIFIED_PHASE', 'AUTHN', 'AUTHZ', 'STATS']),
    priority: int32('Order within the phase; higher first.'),
    failStrategy: choice('What happens when the module fails.', ['FAIL_CLOSE', 'FAIL_OPEN', 'FAIL_RELOAD']),
    vmConfig: message('The virtual machine.', {
      env: list(
        'Environment variables.',
        message(
          'A variable.',
          {
            name: text('Name.', { minLength: 1, maxLength: 256 }),
            valueFrom: choice('INLINE takes value, HOST the proxy’s variable.', ['INLINE', 'HOST']),
            value: text('Value.', { maxLength: 2048 }),
          },
          {
            required: ['name'],
            cel: [
              {
                rule: '(has(self.valueFrom) ? self.valueFrom : "") != "HOST" || !has(self.value)',
                message: 'value may only be set when valueFrom is INLINE',
              },
            ],
          },
        ),
        { maxItems: 256, listMapKey: 'name' },
      ),
    }),
    match: list(
      'Which traffic; default all.',
      message('A condition.', {
        mode: choice('Direction.', ['UNDEFINED', 'CLIENT', 'SERVER', 'CLIENT_AND_SERVER']),
        ports: list(
          'Ports.',
          message(
            'A port.',
            { number: { ...uint32('', { minimum: 1, maximum: 65535 }), 'x-kubernetes-validations': [PORT_RULE] } },
            { required: ['number'] },
          ),
        ),
      }),
    ),
    type: choice('Kind of filter.', ['UNSPECIFIED_PLUGIN_TYPE', 'HTTP', 'NETWORK']),
  },
  { required: ['url'], cel: [ONE_SELECTOR] },
);
/** Spec of a WasmPlugin. */
export type WasmPluginSpec = Static<typeof wasmPluginSpec>;
/** extensions.istio.io WasmPlugin. */
export type WasmPlugin = Resource<'WasmPlugin', WasmPluginSpec>;
