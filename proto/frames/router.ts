/** The methods that a side of a connection answers, registered by the same function that HTTP transports take. */
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { ConnectRouter, HandlerContext, Interceptor, MethodImplSpec } from "@connectrpc/connect";
import { createMethodImplSpec, createServiceImplSpec } from "@connectrpc/connect";

/** As for `createRouterTransport` and the HTTP adapters of Connect. */
export type Routes = (router: ConnectRouter) => void;

export interface Route {
  spec: MethodImplSpec;
  service: DescService;
  interceptors: Interceptor[];
  /** Runs before the implementation and may refuse the call. */
  gate?: (context: HandlerContext) => void | Promise<void>;
}

interface RouteOptions {
  interceptors?: Interceptor[];
  requestGate?: Route["gate"];
}

/** By full name without a leading slash: `k3ts.v1.EchoService/Say`. */
export function collectRoutes(routes: Routes): Map<string, Route> {
  const collected = new Map<string, Route>();
  const add = (spec: MethodImplSpec, options: RouteOptions = {}) =>
    collected.set(methodName(spec.method), {
      spec,
      service: spec.method.parent,
      interceptors: options.interceptors ?? [],
      gate: options.requestGate,
    });
  const router: ConnectRouter = {
    // For HTTP only.
    handlers: [],
    service(service, implementation, options) {
      for (const spec of Object.values(createServiceImplSpec(service, implementation).methods)) add(spec, options);
      return router;
    },
    rpc(method, implementation, options) {
      add(createMethodImplSpec(method, implementation), options);
      return router;
    },
  };
  routes(router);
  return collected;
}

export function methodName(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}
