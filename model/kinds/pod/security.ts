/** Security contexts of pods and containers. */
import type { PodSpec, SecurityContext } from "../../types/mod.ts";
import { type FieldError, invalid, notSupported, required } from "../field_error.ts";
import { validateOneOf } from "../values.ts";

const ID_MAX = 2 ** 31 - 1;
const SYSCTL_SHOWN = "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
const SYSCTL = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;

export function validateSecurityContext(context: SecurityContext | undefined, path: string): FieldError[] {
  if (context === undefined) return [];
  const errors = [
    ...validateId(context.runAsUser, `${path}.runAsUser`),
    ...validateId(context.runAsGroup, `${path}.runAsGroup`),
    ...validateProfile(context.seccompProfile, `${path}.seccompProfile`),
    ...validateProfile(context.appArmorProfile, `${path}.appArmorProfile`),
  ];
  if (context.procMount !== undefined) {
    errors.push(...validateOneOf(context.procMount, ["Default", "Unmasked"], `${path}.procMount`));
  }
  if (context.allowPrivilegeEscalation !== false) return errors;
  if (context.privileged) {
    errors.push(invalid(path, context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"));
  }
  if (context.capabilities?.add?.includes("CAP_SYS_ADMIN")) {
    const detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
    errors.push(invalid(path, context, detail));
  }
  return errors;
}

export function validatePodSecurity(spec: PodSpec, path: string): FieldError[] {
  const at = `${path}.securityContext`;
  const context = spec.securityContext ?? {};
  const errors = [
    ...validateId(context.fsGroup, `${at}.fsGroup`),
    ...validateId(context.runAsUser, `${at}.runAsUser`),
    ...validateId(context.runAsGroup, `${at}.runAsGroup`),
    ...(context.supplementalGroups ?? []).flatMap((id, index) => validateId(id, `${at}.supplementalGroups[${index}]`)),
  ];
  if (spec.shareProcessNamespace && spec.hostPID) {
    errors.push(
      invalid(`${at}.shareProcessNamespace`, true, "ShareProcessNamespace and HostPID cannot both be enabled"),
    );
  }
  errors.push(...validateSysctls(spec, at));
  if (context.fsGroupChangePolicy !== undefined) {
    errors.push(
      ...validateOneOf(context.fsGroupChangePolicy, ["Always", "OnRootMismatch"], `${at}.fsGroupChangePolicy`),
    );
  }
  errors.push(
    ...validateProfile(context.seccompProfile, `${at}.seccompProfile`),
    ...validateProfile(context.appArmorProfile, `${at}.appArmorProfile`),
  );
  if (context.supplementalGroupsPolicy !== undefined) {
    errors.push(
      ...validateOneOf(context.supplementalGroupsPolicy, ["Merge", "Strict"], `${at}.supplementalGroupsPolicy`),
    );
  }
  return errors;
}

/**
 * What a pod on its node's network must fit with. Templates leave host ports out: the pods that are made of them get
 * them by default.
 */
export function validateHostNetwork(spec: PodSpec, path: string): FieldError[] {
  if (!spec.hostNetwork) return [];
  return (spec.containers ?? []).flatMap(({ ports = [] }, index) =>
    ports.flatMap(({ hostPort = 0, containerPort }, i) =>
      hostPort === 0 || hostPort === containerPort ? [] : [
        invalid(
          `${path}.containers[${index}].ports[${i}].hostPort`,
          hostPort,
          "must match `containerPort` when `hostNetwork` is true",
        ),
      ]
    )
  );
}

function validateSysctls(spec: PodSpec, path: string): FieldError[] {
  const seen = new Set<string>();
  return (spec.securityContext?.sysctls ?? []).flatMap(({ name }, index) => {
    const at = `${path}.sysctls[${index}].name`;
    if (!name) return [required(at)];
    const errors: FieldError[] = [];
    if (name.length > 253 || !SYSCTL.test(name)) {
      errors.push(invalid(at, name, `must have at most 253 characters and match regex ${SYSCTL_SHOWN}`));
    } else if (seen.has(name)) {
      errors.push({ type: "FieldValueDuplicate", field: at, body: `Duplicate value: "${name}"` });
    }
    seen.add(name);
    const taken = (spec.hostNetwork && name.startsWith("net.")) ||
      (spec.hostIPC && /^(kernel\.(shm|msg|sem)|fs\.mqueue)/.test(name));
    if (taken) {
      const which = name.startsWith("net.") ? "hostNetwork" : "hostIPC";
      errors.push(invalid(at, name, `may not be specified when '${which}' is true`));
    }
    return errors;
  });
}

function validateProfile(profile: { type: string; localhostProfile?: string } | undefined, path: string): FieldError[] {
  if (profile === undefined) return [];
  const { type, localhostProfile } = profile;
  if (!type) return [required(`${path}.type`, "type is required when seccompProfile is set")];
  if (type === "Localhost") {
    if (!localhostProfile) return [required(`${path}.localhostProfile`, "must be set when seccomp type is Localhost")];
    return localhostProfile.startsWith("/")
      ? [invalid(`${path}.localhostProfile`, localhostProfile, "must be a relative path")]
      : [];
  }
  if (type !== "RuntimeDefault" && type !== "Unconfined") {
    return [notSupported(`${path}.type`, type, ["Localhost", "RuntimeDefault", "Unconfined"])];
  }
  return localhostProfile === undefined
    ? []
    : [invalid(`${path}.localhostProfile`, localhostProfile, "can only be set when seccomp type is Localhost")];
}

function validateId(id: number | undefined, path: string): FieldError[] {
  return id !== undefined && (id < 0 || id > ID_MAX)
    ? [invalid(path, id, `must be between 0 and ${ID_MAX}, inclusive`)]
    : [];
}
