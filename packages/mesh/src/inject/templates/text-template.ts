// Templates that a user brings as Go template text (--injectConfigFile, sidecarInjectorWebhook.templates).

import { CodedError, isObject, messageOf } from '@lateen/base';
import { parse } from 'yaml';
import { valueAt } from '../values.ts';
import type { PodOverlay, TemplateContext } from './context.ts';
import { executeTemplate } from './go/execute.ts';
import { parseTemplate } from './go/parser.ts';

const MAX_TEMPLATE_LENGTH = 1024 * 1024;

/** Renders the text over the pod and reads the result as YAML. @throws CodedError LAT2306 */
export function renderTextTemplate(name: string, text: string, context: TemplateContext): PodOverlay {
  const failure = (why: string) =>
    new CodedError({ code: 'LAT2306', what: `the injection template ${JSON.stringify(name)} cannot be rendered`, why });
  if (text.length > MAX_TEMPLATE_LENGTH) throw failure(`it is longer than ${MAX_TEMPLATE_LENGTH} characters`);
  let overlay: unknown;
  try {
    overlay = parse(executeTemplate(parseTemplate(text), templateData(context)), { maxAliasCount: 20, uniqueKeys: false });
  } catch (error) {
    throw failure(messageOf(error));
  }
  if (overlay === null) return {};
  if (!isObject(overlay)) throw failure('its result is not a YAML mapping');
  return overlay as PodOverlay;
}

/** Istio's SidecarTemplateData. */
function templateData(context: TemplateContext): Record<string, unknown> {
  const { config, workload, metadata, spec, proxyConfig } = context;
  return {
    TypeMeta: { APIVersion: workload.apiVersion, Kind: workload.kind },
    DeploymentMeta: { Name: workload.name, Namespace: workload.namespace },
    ObjectMeta: { labels: {}, annotations: {}, ...metadata },
    Spec: { serviceAccountName: '', ...spec },
    ProxyConfig: { interceptionMode: 'REDIRECT', proxyMetadata: {}, ...proxyConfig },
    MeshConfig: config.meshConfig,
    Values: config.values,
    Revision: config.revision,
    ProxyImage: context.proxyImage,
    ProxyInitImage: context.proxyInitImage,
    ProxyUID: context.proxyUid,
    ProxyGID: context.proxyGid,
    NativeSidecars: config.nativeSidecars,
    CompliancePolicy: config.compliancePolicy,
    InboundTrafficPolicyMode: valueAt(config.meshConfig, 'inboundTrafficPolicy.mode') === 'LOCALHOST' ? 'localhost' : 'passthrough',
  };
}
