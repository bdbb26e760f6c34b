/** Containers of a pod, of each kind. */
import { portNameProblems } from "../../names.ts";
import type { Container, ContainerPort, EphemeralContainer, PodSpec } from "../../types/mod.ts";
import { isSidecar } from "../../pods.ts";
import { duplicate, type FieldError, forbidden, invalid, notFound, notSupported, required } from "../field_error.ts";
import { validateRequirements } from "../resources.ts";
import { validateDnsLabel, validateOneOf, validatePortNumber, validateProtocol } from "../values.ts";
import { validateEnvironment, validateEnvironmentFrom } from "./environment.ts";
import { validateLifecycle, validateProbes } from "./handlers.ts";
import { validateSecurityContext } from "./security.ts";
import { validateMounts } from "./volumes.ts";

const NOT_FOR_INIT = "may not be set for init containers without restartPolicy=Always";
const NOT_FOR_EPHEMERAL = "cannot be set for an Ephemeral Container";

export function validateContainers(spec: PodSpec, volumes: ReadonlySet<string>, path: string): FieldError[] {
  const grace = spec.terminationGracePeriodSeconds ?? 0;
  const containers = spec.containers ?? [];
  return [
    ...containers.length === 0 ? [required(`${path}.containers`)] : [],
    ...validateMain(containers, volumes, grace, `${path}.containers`),
    ...validateInit(spec, volumes, grace, `${path}.initContainers`),
    ...validateEphemeral(spec, volumes, `${path}.ephemeralContainers`),
  ];
}

function validateMain(
  containers: readonly Container[],
  volumes: ReadonlySet<string>,
  grace: number,
  path: string,
): FieldError[] {
  const names = new Set<string>();
  const errors = containers.flatMap((container, index) => {
    const at = `${path}[${index}]`;
    const found = validateCommon(container, volumes, at);
    if (names.has(container.name)) found.push(duplicate(`${at}.name`, container.name));
    names.add(container.name);
    return [
      ...found,
      ...validateLifecycle(container.lifecycle, grace, `${at}.lifecycle`),
      ...validateProbes(container, grace, at),
      ...validateRestartPolicy(container.restartPolicy, at),
    ];
  });
  return [...errors, ...validateHostPorts(containers, path)];
}

function validateInit(spec: PodSpec, volumes: ReadonlySet<string>, grace: number, path: string): FieldError[] {
  const names = new Set((spec.containers ?? []).map(({ name }) => name));
  return (spec.initContainers ?? []).flatMap((container, index) => {
    const at = `${path}[${index}]`;
    const errors = [...validateCommon(container, volumes, at), ...validateRestartPolicy(container.restartPolicy, at)];
    if (names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name));
    else if (container.name) names.add(container.name);
    errors.push(...validateHostPorts([container], path));
    if (isSidecar(container)) {
      return [
        ...errors,
        ...validateLifecycle(container.lifecycle, grace, `${at}.lifecycle`),
        ...validateProbes(container, grace, at),
      ];
    }
    for (const field of ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] as const) {
      if (container[field] !== undefined) errors.push(forbidden(`${at}.${field}`, NOT_FOR_INIT));
    }
    return errors;
  });
}

function validateEphemeral(spec: PodSpec, volumes: ReadonlySet<string>, path: string): FieldError[] {
  const others = [...spec.containers ?? [], ...spec.initContainers ?? []].map(({ name }) => name);
  const names = new Set(others);
  return (spec.ephemeralContainers ?? []).flatMap((container: EphemeralContainer, index) => {
    const at = `${path}[${index}]`;
    const errors = validateCommon(container, volumes, at);
    if (names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name));
    names.add(container.name);
    const target = container.targetContainerName;
    if (target && !others.includes(target)) errors.push(notFound(`${at}.targetContainerName`, target));
    for (const field of ["ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"] as const) {
      if (container[field] !== undefined) errors.push(forbidden(`${at}.${field}`, NOT_FOR_EPHEMERAL));
    }
    if (Object.keys(container.resources ?? {}).length > 0) errors.push(forbidden(`${at}.resources`, NOT_FOR_EPHEMERAL));
    return errors;
  });
}

function validateCommon(container: Container, volumes: ReadonlySet<string>, path: string): FieldError[] {
  const { name, image, terminationMessagePolicy: policy = "", imagePullPolicy: pull = "" } = container;
  const errors = name ? validateDnsLabel(name, `${path}.name`) : [required(`${path}.name`)];
  if (!image) errors.push(required(`${path}.image`));
  const at = `${path}.terminationMessagePolicy`;
  if (policy === "") errors.push(required(at));
  else if (policy !== "File" && policy !== "FallbackToLogsOnError") {
    errors.push(notSupported(at, policy, ["File", "FallbackToLogsOnError"]));
  }
  errors.push(
    ...validatePorts(container.ports ?? [], `${path}.ports`),
    ...validateEnvironment(container.env ?? [], `${path}.env`),
    ...validateEnvironmentFrom(container.envFrom ?? [], `${path}.envFrom`),
    ...validateMounts(container, volumes, `${path}.volumeMounts`),
    ...pull === ""
      ? [required(`${path}.imagePullPolicy`)]
      : validateOneOf(pull, ["Always", "IfNotPresent", "Never"], `${path}.imagePullPolicy`),
    ...validateRequirements(container.resources, `${path}.resources`),
    ...validateSecurityContext(container.securityContext, `${path}.securityContext`),
  );
  return errors;
}

function validateRestartPolicy(policy: string | undefined, path: string): FieldError[] {
  return policy === undefined ? [] : validateOneOf(policy, ["Always", "Never", "OnFailure"], `${path}.restartPolicy`);
}

function validatePorts(ports: readonly ContainerPort[], path: string): FieldError[] {
  const names = new Set<string>();
  return ports.flatMap(({ name, containerPort, hostPort, protocol }, index) => {
    const at = `${path}[${index}]`;
    const errors: FieldError[] = [];
    if (name) {
      const problems = portNameProblems(name);
      errors.push(...problems.map((problem) => invalid(`${at}.name`, name, problem)));
      if (problems.length === 0 && names.has(name)) errors.push(duplicate(`${at}.name`, name));
      if (problems.length === 0) names.add(name);
    }
    errors.push(
      ...containerPort ? validatePortNumber(containerPort, `${at}.containerPort`) : [required(`${at}.containerPort`)],
    );
    if (hostPort) errors.push(...validatePortNumber(hostPort, `${at}.hostPort`));
    return [...errors, ...validateProtocol(protocol, `${at}.protocol`)];
  });
}

function validateHostPorts(containers: readonly Container[], path: string): FieldError[] {
  const taken = new Set<string>();
  return containers.flatMap(({ ports = [] }, index) =>
    ports.flatMap(({ protocol, hostIP = "", hostPort }, i) => {
      if (!hostPort) return [];
      const place = `${protocol}/${hostIP}/${hostPort}`;
      if (taken.has(place)) return [duplicate(`${path}[${index}].ports[${i}].hostPort`, place)];
      taken.add(place);
      return [];
    })
  );
}
