// Finds a template by name: the configuration's own text first, then the built-in ones.

import { CodedError } from '@lateen/base';
import type { PodOverlay, TemplateContext } from './context.ts';
import { gatewayTemplate } from './gateway.ts';
import { grpcAgentTemplate } from './grpc-agent.ts';
import { grpcSimpleTemplate } from './grpc-simple.ts';
import { sidecarTemplate } from './sidecar.ts';
import { renderTextTemplate } from './text-template.ts';

const BUILT_IN: Readonly<Record<string, (context: TemplateContext) => PodOverlay>> = {
  sidecar: sidecarTemplate,
  gateway: gatewayTemplate,
  'grpc-agent': grpcAgentTemplate,
  'grpc-simple': grpcSimpleTemplate,
};

/** @throws CodedError LAT2305 for an unknown name, LAT2306 for template text that cannot be rendered */
export function renderTemplate(name: string, context: TemplateContext): PodOverlay {
  const { templates } = context.config;
  if (Object.hasOwn(templates, name)) return renderTextTemplate(name, templates[name] as string, context);
  const builtIn = Object.hasOwn(BUILT_IN, name) ? BUILT_IN[name] : undefined;
  if (builtIn) return builtIn(context);
  const known = [...new Set([...Object.keys(BUILT_IN), ...Object.keys(templates)])].join(', ');
  throw new CodedError({ code: 'LAT2305', what: `requested template ${JSON.stringify(name)} not found`, fix: `known templates: ${known}` });
}
