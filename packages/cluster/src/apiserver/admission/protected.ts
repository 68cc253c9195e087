import { forbidden } from '../status.ts';
import type { Attributes } from './admission.ts';

const IMMORTAL = new Set(['default', 'kube-system', 'kube-public']);

/** The namespaces that the cluster itself lives in cannot be deleted. @throws ApiError 403 */
export function protectNamespaces({ resource, operation, name }: Attributes): void {
  if (operation === 'DELETE' && resource.storage === 'namespaces' && IMMORTAL.has(name)) {
    throw forbidden(resource, name, 'this namespace may not be deleted');
  }
}
