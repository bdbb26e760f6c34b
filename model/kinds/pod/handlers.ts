/** Probes and lifecycle hooks. */
import type { Lifecycle, Probe } from "../../types/mod.ts";
import { type FieldError, forbidden, invalid, required } from "../field_error.ts";
import { validateNonnegative, validateOneOf, validatePort, validatePortNumber } from "../values.ts";

type Handler = Pick<Probe, "exec" | "httpGet" | "tcpSocket" | "grpc"> & { sleep?: { seconds: number } };

const HEADER = "[-A-Za-z0-9]+";

export function validateProbes(
  container: { livenessProbe?: Probe; readinessProbe?: Probe; startupProbe?: Probe },
  grace: number,
  path: string,
): FieldError[] {
  return [
    ...validateProbe("livenessProbe", container.livenessProbe, grace, path),
    ...validateProbe("readinessProbe", container.readinessProbe, grace, path),
    ...validateProbe("startupProbe", container.startupProbe, grace, path),
  ];
}

export function validateLifecycle(lifecycle: Lifecycle | undefined, grace: number, path: string): FieldError[] {
  return [
    ...lifecycle?.postStart ? validateHandler(lifecycle.postStart, grace, `${path}.postStart`) : [],
    ...lifecycle?.preStop ? validateHandler(lifecycle.preStop, grace, `${path}.preStop`) : [],
  ];
}

function validateProbe(
  kind: "livenessProbe" | "readinessProbe" | "startupProbe",
  probe: Probe | undefined,
  grace: number,
  parent: string,
): FieldError[] {
  if (probe === undefined) return [];
  const path = `${parent}.${kind}`;
  const errors = validateHandler(probe, grace, path);
  for (
    const field of [
      "initialDelaySeconds",
      "timeoutSeconds",
      "periodSeconds",
      "successThreshold",
      "failureThreshold",
    ] as const
  ) {
    errors.push(...validateNonnegative(probe[field], `${path}.${field}`));
  }
  const period = probe.terminationGracePeriodSeconds;
  const at = `${path}.terminationGracePeriodSeconds`;
  if (period !== undefined && period <= 0) errors.push(invalid(at, period, "must be greater than 0"));
  if (kind === "readinessProbe") {
    if (period !== undefined) errors.push(invalid(at, period, "must not be set for readinessProbes"));
  } else if (probe.successThreshold !== 1) {
    errors.push(invalid(`${path}.successThreshold`, probe.successThreshold ?? 0, "must be 1"));
  }
  return errors;
}

function validateHandler(handler: Handler, grace: number, path: string): FieldError[] {
  const checks: Record<keyof Handler, () => FieldError[]> = {
    exec: () => handler.exec!.command?.length ? [] : [required(`${path}.exec.command`)],
    httpGet: () => validateHttpGet(handler.httpGet!, `${path}.httpGet`),
    tcpSocket: () => validatePort(handler.tcpSocket!.port ?? 0, `${path}.tcpSocket.port`),
    grpc: () => validatePortNumber(handler.grpc!.port ?? 0, `${path}.grpc.port`),
    sleep: () => validateSleep(handler.sleep!.seconds ?? 0, grace, `${path}.sleep.seconds`),
  };
  const given = (Object.keys(checks) as (keyof Handler)[]).filter((name) => handler[name] !== undefined);
  if (given.length === 0) return [required(path, "must specify a handler type")];
  return given.flatMap((name, index) =>
    index === 0 ? checks[name]() : [forbidden(`${path}.${name}`, "may not specify more than 1 handler type")]
  );
}

function validateHttpGet(http: NonNullable<Probe["httpGet"]>, path: string): FieldError[] {
  const errors = http.path ? [] : [required(`${path}.path`)];
  errors.push(
    ...validatePort(http.port ?? 0, `${path}.port`),
    ...validateOneOf(http.scheme ?? "", ["HTTP", "HTTPS"], `${path}.scheme`),
  );
  for (const { name } of http.httpHeaders ?? []) {
    if (new RegExp(`^${HEADER}$`).test(name ?? "")) continue;
    const words = "a valid HTTP header must consist of alphanumeric characters or '-'";
    const detail = `${words} (e.g. 'X-Header-Name', regex used for validation is '${HEADER}')`;
    errors.push(invalid(`${path}.httpHeaders`, name ?? "", detail));
  }
  return errors;
}

function validateSleep(seconds: number, grace: number, path: string): FieldError[] {
  if (seconds >= 0 && seconds <= grace) return [];
  return [
    invalid(
      path.slice(0, -".seconds".length),
      seconds,
      `must be non-negative and less than terminationGracePeriodSeconds (${grace})`,
    ),
  ];
}
