/** NodeService.ReportUsage: a node says what it and its pods use. */
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import type { User } from "@k3ts/api";
import type { NodeService } from "@k3ts/proto";
import type { UsageTable } from "./usage_table.ts";

/** Far more than a machine runs. */
const PODS_MAX = 2_000;
const CONTAINERS_MAX = 10_000;
const USER_PREFIX = "system:node:";

export function reportUsage(
  table: UsageTable,
  identify: (context: HandlerContext) => Promise<User>,
): Pick<ServiceImpl<typeof NodeService>, "reportUsage"> {
  return {
    async reportUsage(request, context) {
      const { name, groups } = await identify(context);
      if (!name.startsWith(USER_PREFIX) || !groups.includes("system:nodes")) {
        throw new ConnectError(
          `Cannot take down what a node uses as the node itself must say it: the caller is "${name}"`,
          Code.PermissionDenied,
        );
      }
      const containers = request.pods.reduce((sum, pod) => sum + pod.containers.length, 0);
      if (request.pods.length > PODS_MAX || containers > CONTAINERS_MAX) {
        throw new ConnectError(
          `Cannot take down what a node uses as it may have ${PODS_MAX} pods and ${CONTAINERS_MAX} containers: ` +
            `there are ${request.pods.length} and ${containers}`,
          Code.InvalidArgument,
        );
      }
      table.put(name.slice(USER_PREFIX.length), request);
      return {};
    },
  };
}
