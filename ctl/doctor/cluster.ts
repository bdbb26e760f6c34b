/** What may be wrong with the cluster, as this machine sees it. */
import { createClient } from "@connectrpc/connect";
import { ApiError, type ClusterAccess } from "@k3ts/client";
import { type Node, type Pod, resources } from "@k3ts/model/objects";
import { ClusterService } from "@k3ts/proto";
import type { Connection } from "../connection.ts";
import { explain } from "../problem.ts";
import { VERSION } from "../version.ts";
import { type Finding, ok, problem, warning } from "./finding.ts";
import { judgeNode, judgePods, judgeSkew } from "./judge.ts";
import { certificateFinding } from "./machine.ts";

/** @returns what was found, and whether the server answers */
export async function examineServer(connection: Connection): Promise<{ findings: Finding[]; answers: boolean }> {
  const { access, transport } = connection;
  const findings = accessFindings(access);
  try {
    findings.push(judgeSkew(await connection.rest.time() - Date.now()));
    await connection.rest.get("/readyz", "text");
    const { version, kubernetesVersion } = await createClient(ClusterService, transport).getInfo({});
    findings.push(
      version === VERSION
        ? ok("API", `${access.url} answers: version ${version} (Kubernetes API ${kubernetesVersion}).`)
        : warning(
          "API",
          `${access.url} runs version ${version}, and this program is ${VERSION}.`,
          "Update the older one.",
        ),
    );
    return { findings, answers: true };
  } catch (error) {
    const [message = "", ...next] = explain(error).replace(/^Error: /, "").split("\n");
    const refusal = problem(
      "API",
      `${access.url} does not answer as it should: ${message}`,
      next.join(" ") || undefined,
    );
    return { findings: [...findings, refusal], answers: false };
  }
}

function accessFindings({ context, certificate }: ClusterAccess): Finding[] {
  return certificate === undefined
    ? []
    : [certificateFinding(`the kubeconfig (context ${context})`, certificate, Date.now())];
}

/** Nodes and pods. Who may not see them is told nothing of them. */
export async function examineNodes({ clients }: Connection): Promise<Finding[]> {
  try {
    const { items: nodes } = await clients.of<Node>(resources.nodes).list();
    const { items: pods } = await clients.of<Pod>(resources.pods).list();
    const next = "Start a node: k3ts up, or k3ts agent on another machine";
    return [
      ...(nodes.length === 0 ? [warning("nodes", "There is none: no pod can run.", next)] : nodes.map(judgeNode)),
      ...judgePods(pods, Date.now()),
    ];
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 403) throw error;
    return [warning("nodes", `They cannot be looked at: ${error.message}`)];
  }
}

const DNS_MS_MAX = 3_000;

/** Whether pods of this machine can resolve names. */
export async function examineDns({ transport }: Connection): Promise<Finding> {
  const subject = "cluster DNS";
  const { network } = await createClient(ClusterService, transport).getInfo({});
  const name = `kubernetes.default.svc.${network?.clusterDomain}.`;
  const address = network?.dnsAddress ?? "";
  try {
    const [found] = await Deno.resolveDns(name, "A", {
      nameServer: { ipAddr: address, port: 53 },
      signal: AbortSignal.timeout(DNS_MS_MAX),
    });
    return ok(subject, `${address} answers: ${name} is ${found}.`);
  } catch (error) {
    return problem(
      subject,
      `${address} does not resolve ${name} ${(error as Error).message}`.trim(),
      "See logs/dataplane.log; is another program on port 53 of that address?",
    );
  }
}
