import type { ServiceAccount } from "../types/mod.ts";
import { defineKind } from "./define.ts";

export const serviceAccount = defineKind<ServiceAccount>({
  resource: "serviceaccounts",
  type: "v1.ServiceAccount",
  namespaced: true,
});
