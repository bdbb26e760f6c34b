import { ageOf } from "../time.ts";
import type { Lease } from "../types/mod.ts";
import { AGE_COLUMN, column, defineKind, NAME_COLUMN } from "./define.ts";
import { type FieldError, invalid } from "./field_error.ts";

export const lease = defineKind<Lease>({
  resource: "leases.coordination.k8s.io",
  type: "coordination.k8s.io/v1.Lease",
  namespaced: true,
  allowsCreateOnUpdate: true,
  allowsUnconditionalUpdate: false,
  defaults(object) {
    object.spec ??= {};
    // Coordinated leader election is not offered.
    delete object.spec.strategy;
    delete object.spec.preferredHolder;
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    const { leaseDurationSeconds, leaseTransitions } = spec ?? {};
    if (leaseDurationSeconds !== undefined && leaseDurationSeconds <= 0) {
      errors.push(invalid("spec.leaseDurationSeconds", leaseDurationSeconds, "must be greater than 0"));
    }
    if (leaseTransitions !== undefined && leaseTransitions < 0) {
      errors.push(invalid("spec.leaseTransitions", leaseTransitions, "must be greater than or equal to 0"));
    }
    return errors;
  },
  columns: [NAME_COLUMN, column("Holder", "Who holds it."), AGE_COLUMN],
  row: ({ metadata, spec }, now) => [
    metadata.name,
    spec?.holderIdentity ?? "",
    ageOf(metadata.creationTimestamp, now),
  ],
});
