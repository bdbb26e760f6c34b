/** Who is named as the writer of what the agent writes (metadata.managedFields). */
export const FIELD_MANAGER = "k3ts-agent";
