/** Pods and Deployments from a few words. Pure. */
import type { KubernetesObject } from "@k3ts/client";
import { Problem } from "../problem.ts";

/** The name of an image without registry, tag and digest: `registry:5000/team/web:1` is `web`. */
export function containerNameOf(image: string): string {
  const last = image.split("@")[0]!.split("/").at(-1)!.split(":")[0]!;
  return last.toLowerCase().replace(/[^a-z0-9-]+/g, "-").replace(/^-+|-+$/g, "");
}

export interface DeploymentWords {
  images: readonly string[];
  replicas: number;
  port?: number;
  /** Of the only container. */
  command: readonly string[];
}

export function makeDeployment(name: string, { images, replicas, port, command }: DeploymentWords): KubernetesObject {
  if (command.length > 0 && images.length > 1) throw new Problem("A command can be given for one image only.");
  const labels = { app: name };
  const containers = images.map((image) => ({
    name: containerNameOf(image),
    image,
    ...(command.length > 0 && { command }),
    ...(port !== undefined && { ports: [{ containerPort: port }] }),
  }));
  return object("apps/v1", "Deployment", name, {
    spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
  }, labels);
}

export interface PodWords {
  image: string;
  labels: Record<string, string>;
  env: Record<string, string>;
  port?: number;
  restart: string;
  /** Arguments, or the command itself. */
  words: readonly string[];
  isCommand: boolean;
  stdin: boolean;
  tty: boolean;
}

const POLICIES = ["Always", "OnFailure", "Never"];

export function makePod(name: string, wanted: PodWords): KubernetesObject {
  const { image, labels, env, port, restart, words, isCommand, stdin, tty } = wanted;
  if (!POLICIES.includes(restart)) {
    throw new Problem(`--restart must be one of ${POLICIES.join(", ")}: it is "${restart}".`);
  }
  const container = {
    name,
    image,
    ...(words.length > 0 && (isCommand ? { command: words } : { args: words })),
    ...(Object.keys(env).length > 0 && { env: Object.entries(env).map(([name, value]) => ({ name, value })) }),
    ...(port !== undefined && { ports: [{ containerPort: port }] }),
    ...(stdin && { stdin, stdinOnce: true }),
    ...(tty && { tty }),
  };
  const own = Object.keys(labels).length > 0 ? labels : { run: name };
  return object("v1", "Pod", name, { spec: { restartPolicy: restart, containers: [container] } }, own);
}

export function object(
  apiVersion: string,
  kind: string,
  name: string,
  fields: Record<string, unknown>,
  labels?: Record<string, string>,
): KubernetesObject {
  const made = { apiVersion, kind, metadata: { name, ...(labels !== undefined && { labels }) }, ...fields };
  return made;
}

/** `a=b,c=d`. @param option named in the error */
export function parsePairs(option: string, texts: readonly string[]): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const text of texts) {
    const at = text.indexOf("=");
    if (at < 1) throw new Problem(`${option} must be NAME=VALUE: "${text}" is not.`);
    pairs[text.slice(0, at)] = text.slice(at + 1);
  }
  return pairs;
}
