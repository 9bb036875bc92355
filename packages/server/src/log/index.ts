// Re-exports of the logger.
export {
  createLogger,
  LOG_LEVELS,
  type LogClock,
  type LogFields,
  type Logger,
  type LoggerOptions,
  type LogLevel,
} from "./logger.ts";
