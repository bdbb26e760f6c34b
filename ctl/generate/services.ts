/** Services from a few words. Pure. */
import type { KubernetesObject } from "@k3ts/client";
import { Problem } from "../problem.ts";
import { object } from "./pods.ts";

export const SERVICE_TYPES = {
  clusterip: "ClusterIP",
  nodeport: "NodePort",
  loadbalancer: "LoadBalancer",
  externalname: "ExternalName",
} as const;

export interface ServicePort {
  /** Needed where there are several. */
  name?: string;
  port: number;
  protocol: string;
  targetPort: number | string;
  nodePort?: number;
}

/** `80`, `80:8080`, `80:http`. @param option named in the error */
export function parsePort(option: string, text: string, protocol: string): ServicePort {
  const [port = "", target = port, ...more] = text.split(":");
  const number = portNumber(port);
  if (more.length > 0 || number === undefined || target === "") {
    throw new Problem(`${option} must be PORT or PORT:TARGET, such as 80:8080: it is "${text}".`);
  }
  return { name: text.replace(":", "-"), port: number, protocol, targetPort: portNumber(target) ?? target };
}

export function portNumber(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535 ? Number(text) : undefined;
}

export interface ServiceWords {
  type: (typeof SERVICE_TYPES)[keyof typeof SERVICE_TYPES];
  ports: readonly ServicePort[];
  selector: Record<string, string>;
  /** `None`: headless. */
  clusterIP?: string;
  externalName?: string;
  labels?: Record<string, string>;
}

export function makeService(name: string, words: ServiceWords): KubernetesObject {
  const { type, ports, selector, clusterIP, externalName, labels } = words;
  if (ports.length === 0 && type !== "ExternalName" && clusterIP !== "None") {
    throw new Problem("A Service must have a port: name it with --tcp or --udp.");
  }
  return object("v1", "Service", name, {
    spec: {
      type,
      ...(ports.length > 0 && { ports }),
      ...(Object.keys(selector).length > 0 && { selector }),
      ...(clusterIP !== undefined && { clusterIP }),
      ...(externalName !== undefined && { externalName }),
    },
  }, labels ?? { app: name });
}
