/** `k3ts doctor`: what commonly goes wrong, on this machine and in its cluster, and what to do about it. */
import type { Command } from "commander";
import { resolve } from "node:path";
import { attempt, type ClusterOptions, clusterOptions, dataDirOption } from "../command.ts";
import { connect, type Connection } from "../connection.ts";
import { examineDns, examineNodes, examineServer } from "../doctor/cluster.ts";
import { type Finding, problem, renderFindings, summary, warning } from "../doctor/finding.ts";
import { examineCertificates, examineMachine, examineNetwork, examineProcesses } from "../doctor/machine.ts";
import { explain, Problem } from "../problem.ts";

interface DoctorOptions extends ClusterOptions {
  dataDir: string;
  output?: string;
}

export function registerDoctor(program: Command): void {
  clusterOptions(program.command("doctor"))
    .description("look for what commonly goes wrong; exits with 1 when there is a problem")
    .addOption(dataDirOption())
    .option("-o, --output <format>", "json")
    .action((options: DoctorOptions) => attempt(() => doctor(options)));
}

async function doctor(options: DoctorOptions): Promise<void> {
  if (options.output !== undefined && options.output !== "json") {
    throw new Problem(`The output of doctor must be json: it is "${options.output}".`);
  }
  const findings = await examine(options);
  if (options.output === "json") console.log(JSON.stringify({ findings }, undefined, 2));
  else console.log(`${renderFindings(findings)}\n\n${summary(findings)}`);
  if (findings.some(({ level }) => level === "problem")) Deno.exitCode = 1;
}

async function examine(options: DoctorOptions): Promise<Finding[]> {
  const dataDir = resolve(options.dataDir);
  const findings: Finding[] = [];
  if (Deno.uid() !== 0) {
    findings.push(
      warning("this machine", "Only root can look at it: the cluster alone is examined.", "Run it with sudo."),
    );
    return [...findings, ...await examineCluster(options, false)];
  }
  findings.push(...await orProblem("this machine", () => examineMachine(dataDir)));
  const { findings: processes, runs } = await examineProcesses(dataDir);
  findings.push(...processes, ...await examineCertificates(dataDir));
  const isNode = runs && await Deno.stat(`${dataDir}/node/node.crt`).then(() => true, () => false);
  if (isNode) findings.push(...await orProblem("network", examineNetwork));
  return [...findings, ...await examineCluster(options, isNode)];
}

/** @param isNode whether this machine should be able to ask the cluster's DNS */
async function examineCluster(options: DoctorOptions, isNode: boolean): Promise<Finding[]> {
  let connection: Connection;
  try {
    const kubeconfig = options.kubeconfig ?? await ownKubeconfig(options);
    connection = await connect({ ...options, dataDir: undefined, kubeconfig });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return [warning("API", `No cluster can be asked: ${error.message}`, error.next)];
  }
  using _ = connection;
  const { findings, answers } = await examineServer(connection);
  if (!answers) return findings;
  return [
    ...findings,
    ...await orProblem("nodes", () => examineNodes(connection)),
    ...(isNode ? await orProblem("cluster DNS", async () => [await examineDns(connection)]) : []),
  ];
}

/** Of the data directory that is examined, where nothing else is named. */
async function ownKubeconfig({ dataDir }: DoctorOptions): Promise<string | undefined> {
  if (Deno.env.get("KUBECONFIG")) return undefined;
  const path = `${resolve(dataDir)}/admin.kubeconfig`;
  return await Deno.stat(path).then(() => path, () => undefined);
}

/** What cannot be looked at is a finding too, and no reason to stop. */
async function orProblem(subject: string, look: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await look();
  } catch (error) {
    return [problem(subject, explain(error).replace(/^Error: /, ""))];
  }
}
