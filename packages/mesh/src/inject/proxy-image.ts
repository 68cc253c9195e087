// The names of the injected images: hub, name, tag and image type, each from chart values, ProxyConfig or an annotation.

import type { InjectConfig } from './config.ts';
import { type Values, valueAt } from './values.ts';

const KNOWN_IMAGE_TYPES = ['distroless', 'debug'];

export type ProxyImages = { proxyImage: string; proxyInitImage: string };

/** The proxy's image and that of the containers that set up capture; they share hub, tag and image type. */
export function proxyImagesOf(config: InjectConfig, proxyConfig: Values, annotations: Record<string, string>): ProxyImages {
  const text = (path: string): string => String(valueAt(config.values, path) ?? '');
  const type =
    annotations['sidecar.istio.io/proxyImageType'] ??
    ((valueAt(proxyConfig, 'image.imageType') as string | undefined) || text('global.variant'));
  const tag = tagWithType(text('global.tag'), type);
  const imageOf = (chart: string): string => `${text('global.hub')}/${text(`global.${chart}.image`) || 'proxyv2'}:${tag}`;
  return { proxyImage: imageOf('proxy'), proxyInitImage: imageOf('proxy_init') };
}

function tagWithType(tag: string, type: string): string {
  if (type === '') return tag;
  const known = KNOWN_IMAGE_TYPES.find((one) => tag.endsWith(`-${one}`));
  const bare = known === undefined ? tag : tag.slice(0, -known.length - 1);
  return type === 'default' ? bare : `${bare}-${type}`;
}
