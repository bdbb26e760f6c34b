/** What a process tells of itself: lines, figures, traces. */
export {
  createLog,
  explain,
  type Fields,
  type Level,
  levelOf,
  LEVELS,
  type Log,
  LOG_LEVEL_VARIABLE,
  type LogOptions,
  processLog,
} from "./log.ts";
export { answerHealth, type Check, type HealthAnswer, type HealthChecks } from "./health.ts";
export { gatherMetrics, metricsAt, type MetricsSource } from "./gather.ts";
export { type Counter, type Gauge, type Histogram, mergeMetrics, Metrics, METRICS_TYPE, SECONDS } from "./metrics.ts";
export { keepProcessMetrics } from "./process_metrics.ts";
export { type Attributes, currentTrace, nameSpan, span, traced, untraced, withinTrace } from "./trace.ts";
