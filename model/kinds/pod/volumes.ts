/** Volumes of a pod, and where its containers mount them. */
import { tryParseQuantity } from "../../quantity.ts";
import type { Container, DownwardAPIVolumeFile, KeyToPath, Volume, VolumeMount } from "../../types/mod.ts";
import { duplicate, type FieldError, forbidden, invalid, notFound, required } from "../field_error.ts";
import { validateDnsLabel, validateOneOf } from "../values.ts";
import { validateFieldRef, validateResourceRef, VOLUME_FIELDS } from "./environment.ts";

const HOST_PATH_TYPES = [
  "",
  "BlockDevice",
  "CharDevice",
  "Directory",
  "DirectoryOrCreate",
  "File",
  "FileOrCreate",
  "Socket",
];
const MODE_WORDS = "must be a number between 0 and 0777 (octal), both inclusive";
const TOKEN_SECONDS_MIN = 600;

/** The errors, and the names of the volumes that are as they should be. */
export function validateVolumes(
  volumes: readonly Volume[],
  path: string,
): { errors: FieldError[]; names: Set<string> } {
  const names = new Set<string>();
  const errors: FieldError[] = [];
  for (const [index, volume] of volumes.entries()) {
    const at = `${path}[${index}]`;
    const found = validateSource(volume, at);
    if (volume.name) found.push(...validateDnsLabel(volume.name, `${at}.name`));
    else found.push(required(`${at}.name`));
    if (names.has(volume.name)) found.push(duplicate(`${at}.name`, volume.name));
    if (found.length === 0) names.add(volume.name);
    errors.push(...found);
  }
  return { errors, names };
}

function validateSource(volume: Volume, path: string): FieldError[] {
  const given = (Object.keys(volume) as (keyof Volume)[]).filter((name) =>
    name !== "name" && volume[name] !== undefined
  );
  if (given.length === 0) return [required(path, "must specify a volume type")];
  return given.flatMap((name, index) =>
    index === 0 ? validateOneSource(volume, name, `${path}.${name}`) : [
      forbidden(`${path}.${name}`, "may not specify more than 1 volume type"),
    ]
  );
}

function validateOneSource(volume: Volume, name: keyof Volume, path: string): FieldError[] {
  switch (name) {
    case "emptyDir": {
      const quantity = tryParseQuantity(volume.emptyDir!.sizeLimit ?? "0");
      const isBad = quantity === undefined || quantity.nanos < 0n;
      return isBad ? [forbidden(`${path}.sizeLimit`, "SizeLimit field must be a valid resource quantity")] : [];
    }
    case "hostPath":
      return validateHostPath(volume.hostPath!, path);
    case "secret":
      return [
        ...volume.secret!.secretName ? [] : [required(`${path}.secretName`)],
        ...validateFiles(volume.secret!, path),
      ];
    case "configMap":
      return [...volume.configMap!.name ? [] : [required(`${path}.name`)], ...validateFiles(volume.configMap!, path)];
    case "downwardAPI":
      return [
        ...validateMode(volume.downwardAPI!.defaultMode, `${path}.defaultMode`),
        ...(volume.downwardAPI!.items ?? []).flatMap((file) => validateDownwardFile(file, path)),
      ];
    case "projected":
      return validateProjected(volume.projected!, path);
    case "persistentVolumeClaim":
      return volume.persistentVolumeClaim!.claimName ? [] : [required(`${path}.claimName`)];
    case "nfs":
      return [
        ...volume.nfs!.server ? [] : [required(`${path}.server`)],
        ...volume.nfs!.path ? [] : [required(`${path}.path`)],
        ...volume.nfs!.path && !volume.nfs!.path.startsWith("/")
          ? [invalid(`${path}.path`, volume.nfs!.path, "must be an absolute path")]
          : [],
      ];
    case "csi":
      return volume.csi!.driver ? [] : [required(`${path}.driver`)];
    case "image":
      return volume.image!.reference ? [] : [required(`${path}.reference`)];
    default:
      return [];
  }
}

function validateHostPath({ path: host, type }: NonNullable<Volume["hostPath"]>, path: string): FieldError[] {
  if (!host) return [required(`${path}.path`)];
  return [...validateNoBacksteps(host, `${path}.path`), ...validateOneOf(type ?? "", HOST_PATH_TYPES, `${path}.type`)];
}

function validateFiles(source: { defaultMode?: number; items?: readonly KeyToPath[] }, path: string): FieldError[] {
  return [
    ...validateMode(source.defaultMode, `${path}.defaultMode`),
    ...(source.items ?? []).flatMap((item, index) => validateKeyToPath(item, `${path}.items[${index}]`)),
  ];
}

function validateKeyToPath({ key, path: file, mode }: KeyToPath, path: string): FieldError[] {
  return [
    ...key ? [] : [required(`${path}.key`)],
    ...file ? [] : [required(`${path}.path`)],
    ...validateFilePath(file ?? "", `${path}.path`),
    ...validateMode(mode, `${path}.mode`),
  ];
}

function validateDownwardFile(file: DownwardAPIVolumeFile, path: string): FieldError[] {
  const errors = file.path ? [] : [required(`${path}.path`)];
  errors.push(...validateFilePath(file.path ?? "", `${path}.path`));
  if (file.fieldRef !== undefined) {
    errors.push(...validateFieldRef(file.fieldRef, VOLUME_FIELDS, `${path}.fieldRef`));
    if (file.resourceFieldRef !== undefined) {
      errors.push(invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"));
    }
  } else if (file.resourceFieldRef !== undefined) {
    errors.push(...validateResourceRef(file.resourceFieldRef, true, `${path}.resourceFieldRef`));
  } else errors.push(required(path, "one of fieldRef and resourceFieldRef is required"));
  return [...errors, ...validateMode(file.mode, `${path}.mode`)];
}

function validateProjected({ defaultMode, sources }: NonNullable<Volume["projected"]>, path: string): FieldError[] {
  const errors = validateMode(defaultMode, `${path}.defaultMode`);
  const files = new Set<string>();
  const claim = (file: string | undefined, name: string) => {
    if (!file) return;
    if (files.has(file)) errors.push(invalid(path, name, "conflicting duplicate paths"));
    files.add(file);
  };
  for (const [index, source] of (sources ?? []).entries()) {
    const at = `${path}.sources[${index}]`;
    const given = Object.values(source).filter((each) => each !== undefined).length;
    for (const kind of ["secret", "configMap"] as const) {
      const part = source[kind];
      if (part === undefined) continue;
      if (!part.name) errors.push(required(`${at}.${kind}.name`));
      for (const [i, item] of (part.items ?? []).entries()) {
        errors.push(...validateKeyToPath(item, `${at}.${kind}.items[${i}]`));
        claim(item.path, part.name ?? "");
      }
    }
    for (const file of source.downwardAPI?.items ?? []) {
      errors.push(...validateDownwardFile(file, `${at}.downwardAPI`));
      claim(file.path, file.path);
    }
    const token = source.serviceAccountToken;
    if (token !== undefined) {
      errors.push(...validateToken(token, `${at}.serviceAccountToken`));
      claim(token.path, token.path);
    }
    if (given > 1) errors.push(forbidden(at, "may not specify more than 1 volume type per source"));
  }
  return errors;
}

function validateToken(
  { expirationSeconds = 0, path: file }: { expirationSeconds?: number; path: string },
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  const at = `${path}.expirationSeconds`;
  if (expirationSeconds < TOKEN_SECONDS_MIN) {
    errors.push(invalid(at, expirationSeconds, "may not specify a duration less than 10 minutes"));
  }
  if (expirationSeconds > 2 ** 32) {
    errors.push(invalid(at, expirationSeconds, "may not specify a duration larger than 2^32 seconds"));
  }
  return [...errors, ...file ? validateFilePath(file, `${path}.path`) : [required(`${path}.path`)]];
}

export function validateMounts(
  container: Container,
  volumes: ReadonlySet<string>,
  path: string,
): FieldError[] {
  const seen = new Set<string>();
  return (container.volumeMounts ?? []).flatMap((mount, index) => {
    const at = `${path}[${index}]`;
    const errors = mount.name ? [] : [required(`${at}.name`)];
    if (!volumes.has(mount.name)) errors.push(notFound(`${at}.name`, mount.name ?? ""));
    if (!mount.mountPath) errors.push(required(`${at}.mountPath`));
    if (seen.has(mount.mountPath)) errors.push(invalid(`${at}.mountPath`, mount.mountPath, "must be unique"));
    seen.add(mount.mountPath);
    return [...errors, ...validateMountOptions(mount, container, at, path)];
  });
}

/** @param list the path of all mounts, which some errors name in the place of the mount's */
function validateMountOptions(mount: VolumeMount, container: Container, path: string, list: string): FieldError[] {
  const errors = mount.subPath ? validateDescending(mount.subPath, `${list}.subPath`) : [];
  if (mount.subPathExpr) {
    if (mount.subPath) {
      errors.push(invalid(`${path}.subPathExpr`, mount.subPathExpr, "subPathExpr and subPath are mutually exclusive"));
    }
    errors.push(...validateDescending(mount.subPathExpr, `${list}.subPathExpr`));
  }
  const { mountPropagation } = mount;
  if (mountPropagation === undefined) return errors;
  const at = `${list}.mountPropagation`;
  errors.push(...validateOneOf(mountPropagation, ["Bidirectional", "HostToContainer", "None"], at));
  if (mountPropagation === "Bidirectional" && !container.securityContext?.privileged) {
    errors.push(forbidden(at, "Bidirectional mount propagation is available only to privileged containers"));
  }
  return errors;
}

function validateMode(mode: number | undefined, path: string): FieldError[] {
  return mode !== undefined && (mode < 0 || mode > 0o777) ? [invalid(path, mode, MODE_WORDS)] : [];
}

function validateFilePath(file: string, path: string): FieldError[] {
  const errors = validateDescending(file, path);
  if (file.startsWith("..") && !file.startsWith("../")) errors.push(invalid(path, file, "must not start with '..'"));
  return errors;
}

function validateDescending(target: string, path: string): FieldError[] {
  const errors = target.startsWith("/") ? [invalid(path, target, "must be a relative path")] : [];
  return [...errors, ...validateNoBacksteps(target, path)];
}

function validateNoBacksteps(target: string, path: string): FieldError[] {
  return target.split("/").includes("..") ? [invalid(path, target, "must not contain '..'")] : [];
}
