// The `grpc-simple` template: no sidecar at all; an init container writes a bootstrap for applications whose gRPC speaks xDS
// without encryption.

import { appContainers, type PodOverlay, type TemplateContext, textValue } from './context.ts';

const VOLUME = 'grpc-io-proxyless-bootstrap';
const FOLDER = '/var/lib/grpc/data/';
const BOOTSTRAP = `${FOLDER}bootstrap.json`;

export function grpcSimpleTemplate(pod: TemplateContext): PodOverlay {
  return {
    metadata: { annotations: { 'sidecar.istio.io/rewriteAppHTTPProbers': 'false' } },
    spec: {
      initContainers: [bootstrapContainer(pod)],
      containers: appContainers(pod).map((name) => ({
        name,
        env: [
          { name: 'GRPC_XDS_BOOTSTRAP', value: BOOTSTRAP },
          { name: 'GRPC_GO_LOG_VERBOSITY_LEVEL', value: '99' },
          { name: 'GRPC_GO_LOG_SEVERITY_LEVEL', value: 'info' },
        ],
        volumeMounts: [{ mountPath: FOLDER, name: VOLUME }],
      })),
      volumes: [{ name: VOLUME, emptyDir: {} }],
    },
  };
}

function bootstrapContainer(pod: TemplateContext) {
  const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  return {
    name: 'grpc-bootstrap-init',
    image: 'busybox:1.28',
    volumeMounts: [{ mountPath: FOLDER, name: VOLUME }],
    env: [
      field('INSTANCE_IP', 'status.podIP'),
      field('POD_NAME', 'metadata.name'),
      field('POD_NAMESPACE', 'metadata.namespace'),
      { name: 'ISTIO_NAMESPACE', value: textValue(pod, 'global.istioNamespace') },
    ],
    command: ['sh', '-c', bootstrapScript(textValue(pod, 'global.proxy.clusterDomain'))],
  };
}

/** Prints the bootstrap with the pod's own address and name; the shell fills in the variables. */
function bootstrapScript(clusterDomain: string): string {
  const bootstrap = {
    xds_servers: [
      { server_uri: 'dns:///istiod.$ISTIO_NAMESPACE.svc:15010', channel_creds: [{ type: 'insecure' }], server_features: ['xds_v3'] },
    ],
    node: { id: `sidecar~$INSTANCE_IP~$POD_NAME.$POD_NAMESPACE~${clusterDomain}`, metadata: { GENERATOR: 'grpc' } },
  };
  return `cat > ${BOOTSTRAP} <<END\n${JSON.stringify(bootstrap, null, 2)}\nEND\n`;
}
