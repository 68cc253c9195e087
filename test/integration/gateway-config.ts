// The configuration of the gateway tests: one upstream in two subsets, one VirtualService with a rule for each behaviour.

export function bootstrapYaml({ xds, admin }: { xds: number; admin: number }): string {
  return `
node:
  id: router~127.0.0.1~istio-ingressgateway-test.istio-system~istio-system.svc.cluster.local
  cluster: istio-ingressgateway.istio-system
  metadata:
    NAMESPACE: istio-system
    LABELS: { app: istio-ingressgateway, istio: ingressgateway }
admin:
  address: { socket_address: { address: 127.0.0.1, port_value: ${admin} } }
dynamic_resources:
  ads_config:
    api_type: GRPC
    transport_api_version: V3
    grpc_services: [{ envoy_grpc: { cluster_name: xds-grpc } }]
  cds_config: { ads: {}, resource_api_version: V3 }
  lds_config: { ads: {}, resource_api_version: V3 }
static_resources:
  clusters:
  - name: xds-grpc
    type: STATIC
    connect_timeout: 5s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: {} }
    load_assignment:
      cluster_name: xds-grpc
      endpoints:
      - lb_endpoints:
        - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${xds} } } }
`;
}

/** Objects that let NAME.internal spread over both upstreams by this hash. */
const hashedYaml = (name: string, hash: string, [v1, v2]: readonly [number, number]): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name}, namespace: default }
spec:
  hosts: [${name}.internal]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints:
  - { address: 127.0.0.1, ports: { http: ${v1} } }
  - { address: 127.0.0.1, ports: { http: ${v2} } }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${name}, namespace: default }
spec:
  host: ${name}.internal
  trafficPolicy: { loadBalancer: { consistentHash: { ${hash} } } }
---`;

export function objectsYaml({ v1, v2, port }: { v1: number; v2: number; port: number }): string {
  const hashed = (name: string, hash: string) => hashedYaml(name, hash, [v1, v2]);
  return `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: shop, namespace: default }
spec:
  hosts: [shop.internal]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints:
  - { address: 127.0.0.1, ports: { http: ${v1} }, labels: { version: v1 } }
  - { address: 127.0.0.1, ports: { http: ${v2} }, labels: { version: v2 } }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: shop, namespace: default }
spec:
  host: shop.internal
  subsets:
  - { name: v1, labels: { version: v1 } }
  - { name: v2, labels: { version: v2 } }
---
${hashed('sticky', 'httpHeaderName: x-user')}${hashed('cookie', 'httpCookie: { name: session, path: /, ttl: 60s }, maglev: { tableSize: 101 }')}
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: shop, namespace: default }
spec:
  selector: { istio: ingressgateway }
  servers:
  - port: { number: ${port}, name: http, protocol: HTTP }
    hosts: ["*.example.com"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop, namespace: default }
spec:
  hosts: [shop.example.com]
  gateways: [shop]
  http:
  - match: [{ uri: { exact: /exact } }]
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { prefix: /old } }]
    rewrite: { uri: /new }
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { regex: "/item/[0-9]+" } }]
    route: [{ destination: { host: shop.internal, subset: v2 } }]
  - match: [{ uri: { prefix: /user }, headers: { end-user: { exact: jason } } }]
    route: [{ destination: { host: shop.internal, subset: v2 } }]
  - match: [{ uri: { prefix: /user } }]
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { exact: /method }, method: { exact: POST } }]
    route: [{ destination: { host: shop.internal, subset: v2 } }]
  - match: [{ uri: { exact: /query }, queryParams: { beta: { exact: "yes" } } }]
    route: [{ destination: { host: shop.internal, subset: v2 } }]
  - match: [{ uri: { exact: /query } }]
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { exact: /moved } }]
    redirect: { uri: /target }
  - match: [{ uri: { exact: /teapot } }]
    directResponse: { status: 418, body: { string: short and stout } }
  - match: [{ uri: { exact: /broken } }]
    fault: { abort: { httpStatus: 555, percentage: { value: 100 } } }
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { exact: /nowhere } }]
    route: [{ destination: { host: shop.internal, subset: v9 } }]
  - match: [{ uri: { exact: /slow } }]
    timeout: 0.3s
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { exact: /headers } }]
    headers:
      request: { set: { x-new: set }, remove: [x-gone] }
      response: { add: { x-answer: added } }
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { exact: /retry } }]
    retries: { attempts: 2, retryOn: "5xx,reset" }
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { exact: /no-retry } }]
    retries: { attempts: 0 }
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { exact: /per-try } }]
    retries: { attempts: 2, perTryTimeout: 0.25s, retryOn: "5xx" }
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { exact: /hurry } }]
    timeout: 0.3s
    retries: { attempts: 10, perTryTimeout: 0.2s, retryOn: "5xx" }
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { exact: /mirrored } }]
    mirror: { host: shop.internal, subset: v2 }
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { exact: /cors } }]
    corsPolicy:
      allowOrigins: [{ exact: "https://ok.example" }, { regex: "https://[a-z]+[.]also[.]example" }]
      allowMethods: [GET, POST]
      allowHeaders: [x-one, x-two]
      exposeHeaders: [x-seen]
      maxAge: 24h
      allowCredentials: true
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { exact: /format } }]
    headers:
      request:
        set:
          x-peer: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
          x-protocol: "%PROTOCOL%"
          x-made: "%REQ(:METHOD)%-%REQ(X-THERE?X-OTHER)%"
          x-percent: "100%%"
        add: { x-twice: second }
      response:
        set: { x-code: "%RESPONSE_CODE%", x-flags: "%RESPONSE_FLAGS%", content-type: text/changed }
        remove: [x-upstream]
    route:
    - destination: { host: shop.internal, subset: v1 }
      headers:
        request: { add: { x-destination: here } }
        response: { add: { x-destination: back } }
  - match: [{ uri: { prefix: /slash/ } }]
    rewrite: { uri: / }
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { prefix: /strip } }]
    rewrite: { uri: / }
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { exact: /whole } }]
    rewrite: { uri: /other, authority: elsewhere.internal }
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { prefix: /service } }]
    rewrite: { uriRegexRewrite: { match: "^/service/([^/]+)(/.*)$", rewrite: '\\2/instance/\\1' } }
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { exact: /away } }]
    redirect: { authority: away.example.org, uri: /there, redirectCode: 308, scheme: https }
  - match: [{ uri: { exact: /port } }]
    redirect: { port: 8443, scheme: https, redirectCode: 302 }
  - match: [{ uri: { prefix: /derived } }]
    redirect: { derivePort: FROM_REQUEST_PORT, uri: /target }
  - match: [{ uri: { exact: /case }, ignoreUriCase: true }]
    route: [{ destination: { host: shop.internal, subset: v2 } }]
  - match: [{ uri: { exact: /cookie }, headers: { cookie: { regex: "^(.*?;)?(user=jason)(;.*)?$" } } }]
    route: [{ destination: { host: shop.internal, subset: v2 } }]
  - match: [{ uri: { exact: /present }, headers: { x-key: {} } }]
    route: [{ destination: { host: shop.internal, subset: v2 } }]
  - match: [{ uri: { exact: /prefixed }, headers: { x-key: { prefix: ab } } }]
    route: [{ destination: { host: shop.internal, subset: v2 } }]
  - match: [{ uri: { exact: /without }, withoutHeaders: { x-key: { exact: "no" } } }]
    route: [{ destination: { host: shop.internal, subset: v2 } }]
  - match: [{ uri: { exact: /digits }, queryParams: { number: { regex: "[0-9]+" } } }]
    route: [{ destination: { host: shop.internal, subset: v2 } }]
  - match: [{ uri: { exact: /here }, authority: { exact: shop.example.com } }]
    route: [{ destination: { host: shop.internal, subset: v2 } }]
  - match: [{ uri: { exact: /zero } }]
    route:
    - { destination: { host: shop.internal, subset: v1 }, weight: 0 }
    - { destination: { host: shop.internal, subset: v2 }, weight: 100 }
  - match: [{ uri: { exact: /delayed } }]
    fault: { delay: { fixedDelay: 0.4s, percentage: { value: 100 } } }
    route: [{ destination: { host: shop.internal, subset: v1 } }]
  - match: [{ uri: { exact: /sticky } }]
    route: [{ destination: { host: sticky.internal } }]
  - match: [{ uri: { exact: /cookie-sticky } }]
    route: [{ destination: { host: cookie.internal } }]
  - match: [{ uri: { exact: /split } }]
    route:
    - { destination: { host: shop.internal, subset: v1 }, weight: 80 }
    - { destination: { host: shop.internal, subset: v2 }, weight: 20 }
`;
}
