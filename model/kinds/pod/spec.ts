/** What must hold of a pod's spec, and of the templates that pods are made from (1.35, features at their defaults). */
import { searchDomainProblems } from "../../names.ts";
import type { PodSpec, PodTemplateSpec } from "../../types/mod.ts";
import { type FieldError, forbidden, invalid, notSupported, required } from "../field_error.ts";
import { validateLabels } from "../labels.ts";
import { validateAnnotations } from "../metadata.ts";
import { validateSubdomainName } from "../names_of_others.ts";
import { validateResourceValue } from "../resources.ts";
import { validateDnsLabel, validateIP, validateQualifiedName } from "../values.ts";
import { validateContainers } from "./containers.ts";
import { validateScheduling } from "./scheduling.ts";
import { validateHostNetwork, validatePodSecurity } from "./security.ts";
import { validateVolumes } from "./volumes.ts";

const RESTART_POLICIES = ["Always", "OnFailure", "Never"];
const DNS_POLICIES = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
const SECONDS_MAX = 2 ** 31 - 1;
const NAMESERVERS_MAX = 3;
const SEARCHES_MAX = 32;
const SEARCH_LENGTH_MAX = 2048;

export function validatePodSpec(spec: PodSpec, path: string): FieldError[] {
  const volumes = validateVolumes(spec.volumes ?? [], `${path}.volumes`);
  const errors = spec.terminationGracePeriodSeconds === undefined
    ? [required(`${path}.terminationGracePeriodSeconds`)]
    : [];
  errors.push(
    ...volumes.errors,
    ...validateContainers(spec, volumes.names, path),
    ...validateHostNetwork(spec, path),
    ...oneOf(spec.restartPolicy, RESTART_POLICIES, `${path}.restartPolicy`),
    ...oneOf(spec.dnsPolicy, DNS_POLICIES, `${path}.dnsPolicy`),
    ...validatePodSecurity(spec, path),
    ...validateDns(spec, `${path}.dnsConfig`),
    ...validateGates(spec, `${path}.readinessGates`),
    ...validateScheduling(spec, path),
    ...validateNames(spec, path),
  );
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && (deadline < 1 || deadline > SECONDS_MAX)) {
    errors.push(invalid(`${path}.activeDeadlineSeconds`, deadline, `must be between 1 and ${SECONDS_MAX}, inclusive`));
  }
  for (const [index, { ip, hostnames = [] }] of (spec.hostAliases ?? []).entries()) {
    const at = `${path}.hostAliases[${index}]`;
    errors.push(...validateIP(ip ?? "", `${at}.ip`));
    for (const [i, name] of hostnames.entries()) errors.push(...validateSubdomainName(name, `${at}.hostnames[${i}]`));
  }
  for (const [name, amount] of Object.entries(spec.overhead ?? {})) {
    errors.push(...validateResourceValue(name, amount, `${path}.overhead[${name}]`));
  }
  if (spec.os !== undefined) {
    errors.push(...oneOf(spec.os.name, ["linux", "windows"], spec.os.name ? `${path}.os` : `${path}.os.name`));
  }
  return errors;
}

/** Of a Deployment's, ReplicaSet's… pods; `path` is the template's. */
export function validatePodTemplate(template: PodTemplateSpec, path: string): FieldError[] {
  const { labels, annotations } = template.metadata ?? {};
  const spec = template.spec ?? { containers: [] };
  return [
    ...validateLabels(labels, `${path}.labels`),
    ...validateAnnotations(annotations, `${path}.annotations`),
    ...validatePodSpec(spec, `${path}.spec`),
    ...spec.ephemeralContainers?.length
      ? [forbidden(`${path}.spec.ephemeralContainers`, "ephemeral containers not allowed in pod template")]
      : [],
  ];
}

/** Names of other things that the spec mentions, and names that it gives the pod. */
function validateNames(spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const field of ["serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName"] as const) {
    const name = spec[field];
    if (name) errors.push(...validateSubdomainName(name, `${path}.${field}`));
  }
  for (const field of ["hostname", "subdomain"] as const) {
    const name = spec[field];
    if (name) errors.push(...validateDnsLabel(name, `${path}.${field}`));
  }
  if (spec.preemptionPolicy !== undefined) {
    errors.push(...oneOf(spec.preemptionPolicy, ["PreemptLowerPriority", "Never"], `${path}.preemptionPolicy`));
  }
  return errors;
}

function validateDns({ dnsPolicy, dnsConfig }: PodSpec, path: string): FieldError[] {
  if (dnsPolicy === "None") {
    if (dnsConfig === undefined) return [required(path, "must provide `dnsConfig` when `dnsPolicy` is None")];
    if (!dnsConfig.nameservers?.length) {
      return [required(`${path}.nameservers`, "must provide at least one DNS nameserver when `dnsPolicy` is None")];
    }
  }
  const { nameservers = [], searches = [], options = [] } = dnsConfig ?? {};
  const errors: FieldError[] = [];
  if (nameservers.length > NAMESERVERS_MAX) {
    errors.push(invalid(`${path}.nameservers`, nameservers, `must not have more than ${NAMESERVERS_MAX} nameservers`));
  }
  nameservers.forEach((address, index) => errors.push(...validateIP(address, `${path}.nameservers[${index}]`)));
  if (searches.length > SEARCHES_MAX) {
    errors.push(invalid(`${path}.searches`, searches, `must not have more than ${SEARCHES_MAX} search paths`));
  }
  if (searches.join(" ").length > SEARCH_LENGTH_MAX) {
    const detail = `must not have more than ${SEARCH_LENGTH_MAX} characters (including spaces) in the search list`;
    errors.push(invalid(`${path}.searches`, searches, detail));
  }
  for (const [index, search] of searches.entries()) {
    if (search === ".") continue;
    const bare = search.replace(/\.$/, "");
    for (const problem of searchDomainProblems(bare)) errors.push(invalid(`${path}.searches[${index}]`, bare, problem));
  }
  options.forEach(({ name }, index) => {
    if (!name) errors.push(required(`${path}.options[${index}]`, "must not be empty"));
  });
  return errors;
}

function validateGates({ readinessGates = [] }: PodSpec, path: string): FieldError[] {
  return readinessGates.flatMap(({ conditionType }, index) =>
    validateQualifiedName(conditionType ?? "", `${path}[${index}].conditionType`)
  );
}

/** One of a list, named in the list's order. */
function oneOf(value: string | undefined, supported: readonly string[], path: string): FieldError[] {
  if (!value) return [required(path)];
  return supported.includes(value) ? [] : [notSupported(path, value, supported)];
}
