// Names of gateways in VirtualServices.

import type { Report } from '../findings/report.ts';
import { fqdnProblem, isDnsLabel } from '../validate/names.ts';

/** "mesh", NAME, NAMESPACE/NAME, or the old NAME.NAMESPACE.svc… form (with a warning). */
export function checkGatewayNames(names: readonly string[] | undefined, path: string, report: Report): void {
  names?.forEach((name, i) => {
    const place = `${path}[${i}]`;
    const slash = name.indexOf('/');
    if (slash < 0) {
      const [gateway, namespace] = name.split('.');
      if (namespace) {
        report.warning(
          place,
          `using legacy gatewayName format ${JSON.stringify(name)}; prefer the <namespace>/<name> format: "${namespace}/${gateway}"`,
        );
      }
      report.check(place, fqdnProblem(name));
      return;
    }
    const [namespace, gateway] = [name.slice(0, slash), name.slice(slash + 1)];
    if (!isDnsLabel(namespace)) report.error(place, `invalid value for namespace: ${JSON.stringify(namespace)}`);
    if (!isDnsLabel(gateway)) report.error(place, `invalid value for gateway name: ${JSON.stringify(gateway)}`);
  });
}
