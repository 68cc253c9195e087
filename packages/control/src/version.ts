/** The Istio release whose API this control plane speaks; proxies and dashboards read it. */
export const ISTIO_VERSION = '1.30.0';
export const CONTROL_PLANE_VERSION = '0.1.0';
