/** The Istio release whose API, injection and node metadata Lateen stands for; proxies, tools and dashboards read it. */
export const ISTIO_VERSION = '1.30.0';

/** Lateen's own release, as in package.json. */
export const LATEEN_VERSION = '0.1.0';
